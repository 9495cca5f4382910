const STEERING = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** Text of a peer, fit for one line of a terminal: what moves a cursor, breaks lines or turns text around becomes "?". */
export const printable = (text: string): string => text.replace(STEERING, "?");

/** The same for text of several lines of our own. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n");
