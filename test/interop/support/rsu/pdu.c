#include "pdu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct text {
  const char *at;
  const char *end;
};

static void skip_white(struct text *t) {
  while (t->at < t->end && strchr(" \t\r\n", *t->at) && *t->at) t->at++;
}

static int take(struct text *t, char c) {
  skip_white(t);
  if (t->at >= t->end || *t->at != c) return 0;
  t->at++;
  return 1;
}

// A string without escapes: no PDU has one.
static int take_string(struct text *t, const char **start, size_t *length) {
  if (!take(t, '"')) return 0;
  *start = t->at;
  while (t->at < t->end && *t->at != '"' && *t->at != '\\') t->at++;
  if (t->at >= t->end || *t->at != '"') return 0;
  *length = (size_t)(t->at - *start);
  t->at++;
  return 1;
}

static int take_number(struct text *t, long *value) {
  skip_white(t);
  char digits[20];
  size_t count = 0;
  while (t->at < t->end && *t->at >= '0' && *t->at <= '9' && count < sizeof digits - 1) digits[count++] = *t->at++;
  digits[count] = 0;
  *value = strtol(digits, NULL, 10);
  return count > 0;
}

static int decode_base64(const char *text, size_t length, struct pdu *pdu) {
  pdu->payload = malloc(length / 4 * 3 + 3);
  pdu->length = 0;
  if (length % 4 != 0) return 0;
  for (size_t i = 0; i < length; i += 4) {
    uint32_t bits = 0;
    int pads = 0;
    for (size_t j = i; j < i + 4; j++) {
      const char *digit = text[j] == '=' ? NULL : memchr(DIGITS, text[j], 64);
      if (text[j] == '=') pads++;
      else if (digit == NULL || pads > 0) return 0;
      bits = bits << 6 | (uint32_t)(digit == NULL ? 0 : digit - DIGITS);
    }
    for (int k = 0; k < 3 - pads; k++) pdu->payload[pdu->length++] = (uint8_t)(bits >> (16 - 8 * k));
  }
  return 1;
}

static int is(const char *key, size_t length, const char *name) {
  return strlen(name) == length && memcmp(key, name, length) == 0;
}

static const char *read_field(struct pdu *pdu, struct text *t) {
  const char *key, *value;
  size_t length, count;
  long number;
  if (!take_string(t, &key, &length) || !take(t, ':')) return "JSONDecodeError: Expecting property name";
  if (is(key, length, "mtype") || is(key, length, "size")) {
    if (!take_number(t, &number)) return "JSONDecodeError: Expecting value";
    if (is(key, length, "mtype")) pdu->mtype = (int)number;
    return NULL;
  }
  if (!take_string(t, &value, &count)) return "JSONDecodeError: Unterminated string";
  if (is(key, length, "payload")) return decode_base64(value, count, pdu) ? NULL : "binascii.Error";
  if (!is(key, length, "protocol_ver") && !is(key, length, "firmware_ver")) return "TypeError: unexpected keyword";
  if (count > 64) return "too long a version for this peer";
  char *into = is(key, length, "protocol_ver") ? pdu->protocol : pdu->firmware;
  memcpy(into, value, count);
  into[count] = 0;
  return NULL;
}

const char *pdu_read(struct pdu *pdu, const uint8_t *event, size_t length) {
  struct text t = {(const char *)event, (const char *)event + length};
  memset(pdu, 0, sizeof *pdu);
  pdu->mtype = -1;
  if (!take(&t, '{')) return "JSONDecodeError: Expecting value";
  do {
    const char *wrong = read_field(pdu, &t);
    if (wrong != NULL) return wrong;
  } while (take(&t, ','));
  if (!take(&t, '}')) return "JSONDecodeError: Expecting ',' delimiter";
  skip_white(&t);
  if (t.at != t.end) return "JSONDecodeError: Extra data";
  if (pdu->mtype < 0 || pdu->payload == NULL) return "KeyError";
  return NULL;
}

uint8_t *pdu_write(size_t *written, int mtype, const uint8_t *payload, size_t length, const char *protocol,
                   const char *firmware) {
  size_t size = (length + 2) / 3 * 4;
  char *text = calloc(1, size + 1);
  for (size_t i = 0, j = 0; i < length; i += 3, j += 4) {
    uint32_t bits = (uint32_t)payload[i] << 16;
    if (i + 1 < length) bits |= (uint32_t)payload[i + 1] << 8;
    if (i + 2 < length) bits |= payload[i + 2];
    text[j] = DIGITS[bits >> 18];
    text[j + 1] = DIGITS[bits >> 12 & 63];
    text[j + 2] = i + 1 < length ? DIGITS[bits >> 6 & 63] : '=';
    text[j + 3] = i + 2 < length ? DIGITS[bits & 63] : '=';
  }
  char *out = malloc(size + 300);
  *written = (size_t)snprintf(
      out, size + 300, "{\"mtype\": %d, \"payload\": \"%s\", \"protocol_ver\": \"%s\", \"firmware_ver\": \"%s\", \"size\": %zu}",
      mtype, text, protocol, firmware, size);
  free(text);
  return (uint8_t *)out;
}
