/* The virtual reader's driver for pcscd, in trouble while one of these files exists: FOLDER/unplugged (the
   readers do not answer), FOLDER/mute (no card starts), FOLDER/deaf (every exchange fails). Everything else is DRIVER, which this is linked to.
   Codes: ifdhandler.h of pcsc-lite. */
#include <dlfcn.h>
#include <unistd.h>

#define IFD_POWER_DOWN 502
#define IFD_ERROR_POWER_ACTION 608
#define IFD_COMMUNICATION_ERROR 612
#define IFD_NO_SUCH_DEVICE 617

typedef unsigned long DWORD;
typedef struct { DWORD protocol, length; } PCI;

static void *real(const char *name) { return dlsym(dlopen(DRIVER, RTLD_LAZY | RTLD_NOLOAD), name); }

static int trouble(const char *flag) { return !access(flag, F_OK); }

long IFDHICCPresence(DWORD lun)
{
    long (*presence)(DWORD) = real("IFDHICCPresence");
    return trouble(FOLDER "/unplugged") ? IFD_NO_SUCH_DEVICE : presence(lun);
}

long IFDHPowerICC(DWORD lun, DWORD action, unsigned char *atr, DWORD *length)
{
    long (*power)(DWORD, DWORD, unsigned char *, DWORD *) = real("IFDHPowerICC");
    if (action != IFD_POWER_DOWN && trouble(FOLDER "/mute"))
        return IFD_ERROR_POWER_ACTION;
    return power(lun, action, atr, length);
}

long IFDHTransmitToICC(DWORD lun, PCI send, unsigned char *tx, DWORD txlen, unsigned char *rx, DWORD *rxlen, PCI *recv)
{
    long (*transmit)(DWORD, PCI, unsigned char *, DWORD, unsigned char *, DWORD *, PCI *) = real("IFDHTransmitToICC");
    if (trouble(FOLDER "/deaf")) {
        *rxlen = 0;
        return IFD_COMMUNICATION_ERROR;
    }
    return transmit(lun, send, tx, txlen, rx, rxlen, recv);
}
