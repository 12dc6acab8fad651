// Dates as the paper writes them, 令和8年11月24日, and as a reader's language does. Days are ISO 8601.

/** 令和8年11月24日, 令和元年5月1日. */
export function era(iso, more) {
  return dated(iso, "ja-JP-u-ca-japanese", more).replace(/^(\D+)1年/, "$1元年");
}

/** 令和8年度: after the era of its first of April. */
export function fiscalYear(year) {
  return `${era(`${String(year).padStart(4, "0")}-04-01`, {})}度`;
}

export function dated(iso, locale, more = { month: "long", day: "numeric" }) {
  return new Intl.DateTimeFormat(locale, { year: "numeric", timeZone: "UTC", ...more }).format(new Date(iso));
}
