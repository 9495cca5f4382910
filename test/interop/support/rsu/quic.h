// One QUIC connection over ngtcp2 and GnuTLS. What one STREAM frame brings is one event, as with the original's library.
#ifndef QUIC_H
#define QUIC_H

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <sys/socket.h>

#define STREAMS_MAX 8

struct conn;

// One event; a length of 0 is a FIN by itself.
typedef void (*event_fn)(struct conn *conn, int64_t stream, const uint8_t *data, size_t length);

struct outgoing {
  int64_t id;
  uint8_t *data;
  size_t length, sent;
  int fin, fin_sent;
};

struct conn {
  ngtcp2_conn *quic;
  gnutls_session_t tls;
  ngtcp2_crypto_conn_ref ref;
  int fd;
  struct sockaddr_storage local, remote;
  socklen_t local_length, remote_length;
  struct outgoing streams[STREAMS_MAX];
  size_t stream_count;
  event_fn on_event;
  int ready;      // the handshake is done
  int over;       // closed by the other side, or broken
  int state;      // the role's own
};

uint64_t now_ns(void);
int64_t conn_open_stream(struct conn *conn);
// Behind what was written to that stream before.
void conn_write(struct conn *conn, int64_t stream, const uint8_t *data, size_t length, int fin);
// Sends what may be sent.
void conn_flush(struct conn *conn);
void conn_read(struct conn *conn, const uint8_t *packet, size_t length);
// Milliseconds until conn_expire is due, at most 100.
int conn_patience(struct conn *conn);
void conn_expire(struct conn *conn);
void conn_close(struct conn *conn);

struct conn *conn_client(int fd, gnutls_certificate_credentials_t trust, event_fn on_event);
// NULL if it is not the first packet of a connection.
struct conn *conn_server(int fd, gnutls_certificate_credentials_t own, const struct sockaddr *remote, socklen_t length,
                         const uint8_t *packet, size_t packet_length, event_fn on_event);

#endif
