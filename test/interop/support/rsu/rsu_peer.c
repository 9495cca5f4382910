// Device and server of RSU as the original behaves, on a QUIC stack that is not ours (ngtcp2), for interop tests.
//
//   rsu_peer client PORT CA.pem OUT.bin [PROTOCOL FIRMWARE]    ends with 0 and "ok BYTES", or 1 and "died: why"
//   rsu_peer server CERT.pem KEY.pem FIRMWARE.bin              writes its port first, then what it hears; runs until killed
//
// One event is one PDU here, and anything else is death; versions are compared as text; segments have 512 bytes; the
// server writes them back to back and finishes the stream of VERSION_ACK at once.

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pdu.h"
#include "quic.h"

enum { AWAITING_ACK, RECEIVING, DONE };
#define SEGMENT 512
#define CONNECTIONS_MAX 16
#define PATIENCE_S 40

static FILE *out_file;
static uint8_t *firmware;
static size_t firmware_length;
static size_t got;

static void say(struct conn *conn, int64_t stream, int mtype, const void *payload, size_t length, const char *protocol,
                const char *version, int fin) {
  size_t written;
  uint8_t *text = pdu_write(&written, mtype, payload, length, protocol, version);
  conn_write(conn, stream, text, written, fin);
  free(text);
}

static void die(const char *why) {
  printf("died: %s\n", why);
  exit(1);
}

// All streams go through one queue, and it is not looked at which one an event is of.
static void client_event(struct conn *conn, int64_t stream, const uint8_t *data, size_t length) {
  struct pdu pdu;
  if (conn->state == DONE) return;
  const char *wrong = pdu_read(&pdu, data, length);
  if (wrong != NULL) die(wrong);
  if (conn->state == AWAITING_ACK) {
    if (pdu.mtype != VERSION_ACK) die("AttributeError");
    say(conn, stream, REQUEST_UPDATE, NULL, 0, "", "", 1);
    conn->state = RECEIVING;
    return;
  }
  got += fwrite(pdu.payload, 1, pdu.length, out_file);
  free(pdu.payload);
  if (pdu.mtype != FINISH_SND_DATA) return;
  say(conn, stream, SEND_ACK, "All data received", 17, "", "", 1);
  conn->state = DONE;
}

static void wait_for(int fd, struct conn *conn) {
  uint8_t packet[65536];
  struct pollfd waiting = {.fd = fd, .events = POLLIN};
  if (poll(&waiting, 1, conn_patience(conn)) > 0) {
    ssize_t length = recv(fd, packet, sizeof packet, 0);
    if (length > 0) conn_read(conn, packet, (size_t)length);
  }
  if (!conn->over) conn_expire(conn);
}

static int client(int port, const char *ca, const char *out, const char *protocol, const char *version) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) die("connect");
  gnutls_certificate_credentials_t trust;
  gnutls_certificate_allocate_credentials(&trust);
  if (gnutls_certificate_set_x509_trust_file(trust, ca, GNUTLS_X509_FMT_PEM) < 1) die("no CA");
  out_file = fopen(out, "wb");
  struct conn *conn = conn_client(fd, trust, client_event);
  int asked = 0;
  uint64_t end = now_ns() + PATIENCE_S * NGTCP2_SECONDS, left = 0;
  while (!conn->over && now_ns() < end) {
    if (conn->ready && !asked) {
      asked = 1;
      say(conn, conn_open_stream(conn), VERSION_EXCHANGE, NULL, 0, protocol, version, 0);
    }
    conn_flush(conn);
    if (conn->state == DONE && left == 0) left = now_ns();
    if (left != 0 && now_ns() - left > 50 * NGTCP2_MILLISECONDS) {
      conn_close(conn);
      break;
    }
    wait_for(fd, conn);
  }
  fclose(out_file);
  if (conn->state != DONE) die(conn->ready ? "hangs for ever" : "ConnectionError");
  printf("ok %zu\n", got);
  return 0;
}

static void send_firmware(struct conn *conn) {
  int64_t stream = conn_open_stream(conn);
  size_t length = 0, room = firmware_length * 2 + 4096;
  uint8_t *all = malloc(room);
  for (size_t at = 0; at == 0 || at < firmware_length; at += SEGMENT) {
    size_t count = firmware_length - at < SEGMENT ? firmware_length - at : SEGMENT, written;
    int last = at + count == firmware_length;
    uint8_t *text = pdu_write(&written, last ? FINISH_SND_DATA : START_SND_DATA, firmware + at, count, "", "");
    memcpy(all + length, text, written);
    length += written;
    free(text);
  }
  conn_write(conn, stream, all, length, 1);
  free(all);
}

static void server_event(struct conn *conn, int64_t stream, const uint8_t *data, size_t length) {
  struct pdu pdu;
  if (length == 0) return;
  const char *wrong = pdu_read(&pdu, data, length);
  if (wrong != NULL) {
    printf("task died: %s\n", wrong);
    return;
  }
  printf("heard %d on %lld: %.*s\n", pdu.mtype, (long long)stream, pdu.mtype == SEND_ACK ? (int)pdu.length : 0,
         (const char *)pdu.payload);
  free(pdu.payload);
  if (pdu.mtype == VERSION_EXCHANGE) {
    if (strcmp(pdu.protocol, "2.0.0") <= 0 && strcmp(pdu.firmware, "2.1.0") < 0)
      say(conn, stream, VERSION_ACK, NULL, 0, "2.0.0", "2.1.0", 1);
  } else if (pdu.mtype == REQUEST_UPDATE) {
    send_firmware(conn);
  }
}

static _Noreturn void server(const char *certificate, const char *key) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
  socklen_t at_length = sizeof at;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0) die("bind");
  getsockname(fd, (struct sockaddr *)&at, &at_length);
  gnutls_certificate_credentials_t own;
  gnutls_certificate_allocate_credentials(&own);
  if (gnutls_certificate_set_x509_key_file(own, certificate, key, GNUTLS_X509_FMT_PEM) != 0) die("no certificate");
  printf("%d\n", ntohs(at.sin_port));
  struct conn *all[CONNECTIONS_MAX] = {0};
  for (;;) {
    uint8_t packet[65536];
    struct sockaddr_in from;
    socklen_t from_length = sizeof from;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    int patience = 100;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
      if (all[i] != NULL && conn_patience(all[i]) < patience) patience = conn_patience(all[i]);
    ssize_t length = 0;
    if (poll(&waiting, 1, patience) > 0)
      length = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &from_length);
    int known = length <= 0, free_place = -1;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
      struct conn *conn = all[i];
      if (conn == NULL) free_place = i;
      // each device has an address of its own
      else if (!known && memcmp(&conn->remote, &from, from_length) == 0) {
        conn_read(conn, packet, (size_t)length);
        known = 1;
      }
    }
    if (!known && free_place >= 0) {
      struct conn *conn = conn_server(fd, own, (struct sockaddr *)&from, from_length, packet, (size_t)length, server_event);
      all[free_place] = conn;
      if (conn != NULL) conn_read(conn, packet, (size_t)length);
    }
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
      if (all[i] == NULL) continue;
      if (!all[i]->over) conn_expire(all[i]);
      if (!all[i]->over) conn_flush(all[i]);
      if (all[i]->over) all[i] = NULL; // its memory goes with the process
    }
  }
}

static void load(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) die("no firmware");
  fseek(file, 0, SEEK_END);
  firmware_length = (size_t)ftell(file);
  rewind(file);
  firmware = malloc(firmware_length + 1);
  if (fread(firmware, 1, firmware_length, file) != firmware_length) die("no firmware");
  fclose(file);
}

int main(int count, char **args) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count >= 5 && strcmp(args[1], "client") == 0)
    return client(atoi(args[2]), args[3], args[4], count > 6 ? args[5] : "2.0.0", count > 6 ? args[6] : "1.0.0");
  if (count == 5 && strcmp(args[1], "server") == 0) {
    load(args[4]);
    server(args[2], args[3]);
  }
  fprintf(stderr, "see the head of the source\n");
  return 2;
}
