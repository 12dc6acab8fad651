/* One JPKI session with the fewest APDUs, over libpcsclite: what the kiosk's own session is measured against.
 *
 *   session READER DIGEST_INFO_HEX CERTIFICATE_FILE   the PIN (4 bytes) on standard input
 *
 * Select, tries left, READ to the DER's own length, VERIFY, SIGN; exclusive, and power off at the end. Prints the number
 * of APDUs and the milliseconds from connect to disconnect; writes the signature behind the certificate into the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <winscard.h>

static SCARDHANDLE card;
static DWORD protocol;
static int apdus;

static void die(const char *what) {
    fprintf(stderr, "session: %s\n", what);
    if (card) SCardDisconnect(card, SCARD_UNPOWER_CARD);
    exit(1);
}

/* One exchange that must end with 9000 (or 63Cx where `tries` says so); returns the size of the data. */
static size_t ask(const unsigned char *apdu, size_t size, unsigned char *answer, int tries) {
    const SCARD_IO_REQUEST *pci = protocol == SCARD_PROTOCOL_T1 ? SCARD_PCI_T1 : SCARD_PCI_T0;
    DWORD got = 258;
    apdus++;
    if (SCardTransmit(card, pci, apdu, size, NULL, answer, &got) != SCARD_S_SUCCESS || got < 2) die("no answer");
    unsigned status = answer[got - 2] << 8 | answer[got - 1];
    if (status != 0x9000 && !(tries && (status & 0xFFF0) == 0x63C0)) die("refused");
    return got - 2;
}

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    static const unsigned char select[] = {0, 0xA4, 4, 0x0C, 10, 0xD3, 0x92, 0xF0, 0, 0x26, 1, 0, 0, 0, 1};
    static const unsigned char query[] = {0, 0x20, 0, 0x98};
    unsigned char answer[258], der[4096], read[] = {0, 0xB0, 0x8A, 0, 0};
    unsigned char verify[9] = {0, 0x20, 0, 0x98, 4}, sign[57] = {0x80, 0x2A, 0, 0x97, 51};
    SCARDCONTEXT context;

    if (argc != 4 || strlen(argv[2]) != 102 || fread(verify + 5, 1, 4, stdin) != 4) die("READER DIGEST_INFO FILE < PIN");
    for (int i = 0; i < 51; i++) sscanf(argv[2] + 2 * i, "%2hhx", &sign[5 + i]);
    if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) != SCARD_S_SUCCESS) die("no pcscd");

    double began = now_ms();
    if (SCardConnect(context, argv[1], SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol) !=
        SCARD_S_SUCCESS)
        die("no card");
    ask(select, sizeof select, answer, 0);
    ask(query, sizeof query, answer, 1);
    size_t have = ask(read, sizeof read, answer, 0), size;
    memcpy(der, answer, have);
    size = 4 + (der[2] << 8 | der[3]);
    if (have < 4 || size > sizeof der) die("no certificate");
    while (have < size) {
        unsigned char more[] = {0, 0xB0, have >> 8, have & 0xFF, size - have < 256 ? size - have : 0};
        size_t got = ask(more, sizeof more, answer, 0);
        if (!got || have + got > sizeof der) die("no certificate");
        memcpy(der + have, answer, got);
        have += got;
    }
    ask(verify, sizeof verify, answer, 0);
    memset(verify, 0, sizeof verify);
    size_t signature = ask(sign, sizeof sign, answer, 0);
    SCardDisconnect(card, SCARD_UNPOWER_CARD);
    double took = now_ms() - began;
    SCardReleaseContext(context);

    FILE *out = fopen(argv[3], "wb");
    if (!out || fwrite(der, 1, size, out) != size || fwrite(answer, 1, signature, out) != signature || fclose(out))
        die("cannot write");
    printf("%d %.3f\n", apdus, took);
    return 0;
}
