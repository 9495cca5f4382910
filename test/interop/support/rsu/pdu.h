// PDUs of RSU as the original reads and writes them: one JSON object in one event, or the exchange dies.
#ifndef PDU_H
#define PDU_H

#include <stddef.h>
#include <stdint.h>

enum { VERSION_EXCHANGE = 0, VERSION_ACK = 1, REQUEST_UPDATE = 2, SEND_ACK = 5, START_SND_DATA = 6, FINISH_SND_DATA = 7 };

struct pdu {
  int mtype;
  uint8_t *payload;
  size_t length;
  char protocol[65];
  char firmware[65];
};

// Takes one event. Returns NULL, or what the original dies of.
const char *pdu_read(struct pdu *pdu, const uint8_t *event, size_t length);

// Writes one; the caller frees it.
uint8_t *pdu_write(size_t *written, int mtype, const uint8_t *payload, size_t length, const char *protocol,
                   const char *firmware);

#endif
