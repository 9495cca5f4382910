#include "quic.h"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char PRIORITY[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-X25519:"
    "+GROUP-SECP256R1:%DISABLE_TLS13_COMPAT_MODE";
#define WINDOW (1024 * 1024)
#define PACKET_MAX 1200

uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * NGTCP2_SECONDS + (uint64_t)t.tv_nsec;
}

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *ref) { return ((struct conn *)ref->user_data)->quic; }

static void random_bytes(uint8_t *dest, size_t length, const ngtcp2_rand_ctx *ctx) {
  (void)ctx;
  gnutls_rnd(GNUTLS_RND_NONCE, dest, length);
}

static int new_identifier(ngtcp2_conn *quic, ngtcp2_cid *cid, uint8_t *token, size_t length, void *user) {
  (void)quic, (void)user;
  gnutls_rnd(GNUTLS_RND_NONCE, cid->data, length);
  cid->datalen = length;
  gnutls_rnd(GNUTLS_RND_NONCE, token, NGTCP2_STATELESS_RESET_TOKENLEN);
  return 0;
}

static int received(ngtcp2_conn *quic, uint32_t flags, int64_t stream, uint64_t offset, const uint8_t *data,
                    size_t length, void *user, void *stream_user) {
  (void)offset, (void)stream_user;
  struct conn *conn = user;
  ngtcp2_conn_extend_max_stream_offset(quic, stream, length);
  ngtcp2_conn_extend_max_offset(quic, length);
  // a frame with nothing in it is an event only when it ends the stream
  if (length > 0 || (flags & NGTCP2_STREAM_DATA_FLAG_FIN)) conn->on_event(conn, stream, data, length);
  return 0;
}

static int handshake_done(ngtcp2_conn *quic, void *user) {
  (void)quic;
  ((struct conn *)user)->ready = 1;
  return 0;
}

static const ngtcp2_callbacks CALLBACKS = {
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .handshake_completed = handshake_done,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_stream_data = received,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .rand = random_bytes,
    .get_new_connection_id = new_identifier,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
};

static void defaults(ngtcp2_settings *settings, ngtcp2_transport_params *params) {
  ngtcp2_settings_default(settings);
  settings->initial_ts = now_ns();
  settings->max_tx_udp_payload_size = PACKET_MAX;
  settings->no_pmtud = 1;
  ngtcp2_transport_params_default(params);
  params->initial_max_stream_data_bidi_local = WINDOW;
  params->initial_max_stream_data_bidi_remote = WINDOW;
  params->initial_max_data = WINDOW;
  params->initial_max_streams_bidi = 128;
  params->max_idle_timeout = 60 * NGTCP2_SECONDS;
}

static struct conn *allocate(int fd, event_fn on_event) {
  struct conn *conn = calloc(1, sizeof *conn);
  conn->fd = fd;
  conn->on_event = on_event;
  conn->ref.get_conn = conn_of;
  conn->ref.user_data = conn;
  conn->local_length = sizeof conn->local;
  getsockname(fd, (struct sockaddr *)&conn->local, &conn->local_length);
  return conn;
}

static ngtcp2_path path_of(struct conn *conn) {
  ngtcp2_path path = {
      .local = {.addr = (struct sockaddr *)&conn->local, .addrlen = conn->local_length},
      .remote = {.addr = (struct sockaddr *)&conn->remote, .addrlen = conn->remote_length},
  };
  return path;
}

static void begin_tls(struct conn *conn, unsigned int side, gnutls_certificate_credentials_t credentials) {
  static const gnutls_datum_t alpn = {(unsigned char *)"rsu-protocol", 12};
  gnutls_init(&conn->tls, side);
  gnutls_priority_set_direct(conn->tls, PRIORITY, NULL);
  gnutls_session_set_ptr(conn->tls, &conn->ref);
  gnutls_credentials_set(conn->tls, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_alpn_set_protocols(conn->tls, &alpn, 1, GNUTLS_ALPN_MANDATORY);
  ngtcp2_conn_set_tls_native_handle(conn->quic, conn->tls);
}

struct conn *conn_client(int fd, gnutls_certificate_credentials_t trust, event_fn on_event) {
  struct conn *conn = allocate(fd, on_event);
  conn->remote_length = sizeof conn->remote;
  getpeername(fd, (struct sockaddr *)&conn->remote, &conn->remote_length);
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  defaults(&settings, &params);
  ngtcp2_cid dcid = {.datalen = 18}, scid = {.datalen = 17};
  gnutls_rnd(GNUTLS_RND_NONCE, dcid.data, dcid.datalen);
  gnutls_rnd(GNUTLS_RND_NONCE, scid.data, scid.datalen);
  ngtcp2_path path = path_of(conn);
  ngtcp2_conn_client_new(&conn->quic, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &CALLBACKS, &settings, &params, NULL,
                         conn);
  begin_tls(conn, GNUTLS_CLIENT, trust);
  ngtcp2_crypto_gnutls_configure_client_session(conn->tls);
  gnutls_server_name_set(conn->tls, GNUTLS_NAME_DNS, "localhost", 9);
  gnutls_session_set_verify_cert(conn->tls, "localhost", 0);
  return conn;
}

struct conn *conn_server(int fd, gnutls_certificate_credentials_t own, const struct sockaddr *remote, socklen_t length,
                         const uint8_t *packet, size_t packet_length, event_fn on_event) {
  ngtcp2_pkt_hd header;
  if (ngtcp2_accept(&header, packet, packet_length) != 0) return NULL;
  struct conn *conn = allocate(fd, on_event);
  memcpy(&conn->remote, remote, length);
  conn->remote_length = length;
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  defaults(&settings, &params);
  params.original_dcid = header.dcid;
  ngtcp2_cid scid = {.datalen = 18};
  gnutls_rnd(GNUTLS_RND_NONCE, scid.data, scid.datalen);
  ngtcp2_path path = path_of(conn);
  ngtcp2_conn_server_new(&conn->quic, &header.scid, &scid, &path, header.version, &CALLBACKS, &settings, &params, NULL,
                         conn);
  begin_tls(conn, GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET, own);
  ngtcp2_crypto_gnutls_configure_server_session(conn->tls);
  return conn;
}

int64_t conn_open_stream(struct conn *conn) {
  int64_t stream = -1;
  ngtcp2_conn_open_bidi_stream(conn->quic, &stream, NULL);
  return stream;
}

void conn_write(struct conn *conn, int64_t stream, const uint8_t *data, size_t length, int fin) {
  struct outgoing *out = NULL;
  for (size_t i = 0; i < conn->stream_count; i++)
    if (conn->streams[i].id == stream) out = &conn->streams[i];
  if (out == NULL && conn->stream_count == STREAMS_MAX) return;
  if (out == NULL) {
    out = &conn->streams[conn->stream_count++];
    out->id = stream;
  }
  // frames that were sent may have to be sent again, out of these bytes: what is there is never moved
  uint8_t *longer = malloc(out->length + length + 1);
  if (out->length > 0) memcpy(longer, out->data, out->length);
  memcpy(longer + out->length, data, length);
  out->data = longer;
  out->length += length;
  out->fin = fin;
}

static ngtcp2_ssize write_packet(struct conn *conn, struct outgoing *out, uint8_t *packet, size_t room) {
  ngtcp2_path_storage path;
  ngtcp2_pkt_info info;
  ngtcp2_ssize taken = -1;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_vec piece = {0};
  if (out != NULL) {
    piece.base = out->data + out->sent;
    piece.len = out->length - out->sent;
  }
  uint32_t flags = out != NULL && out->fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0;
  ngtcp2_ssize length = ngtcp2_conn_writev_stream(conn->quic, &path.path, &info, packet, room, &taken, flags,
                                                  out == NULL ? -1 : out->id, &piece, out == NULL ? 0 : 1, now_ns());
  if (out != NULL && taken >= 0) {
    out->sent += (size_t)taken;
    if (out->fin && out->sent == out->length) out->fin_sent = 1;
  }
  return length;
}

void conn_flush(struct conn *conn) {
  uint8_t packet[1500];
  for (size_t next = 0; !conn->over;) {
    struct outgoing *out = NULL;
    for (; next < conn->stream_count && out == NULL; next++) {
      struct outgoing *each = &conn->streams[next];
      if (each->sent < each->length || (each->fin && !each->fin_sent)) out = each;
    }
    ngtcp2_ssize length = write_packet(conn, out, packet, sizeof packet);
    if (length == NGTCP2_ERR_STREAM_DATA_BLOCKED || length == NGTCP2_ERR_STREAM_SHUT_WR) continue;
    if (length < 0) {
      fprintf(stderr, "quic: %s\n", ngtcp2_strerror((int)length));
      conn->over = 1;
      return;
    }
    if (length == 0) return; // nothing to say, or no room in the congestion window
    sendto(conn->fd, packet, (size_t)length, 0, (struct sockaddr *)&conn->remote, conn->remote_length);
    if (out != NULL) next = 0;
  }
}

void conn_read(struct conn *conn, const uint8_t *packet, size_t length) {
  ngtcp2_pkt_info info = {0};
  ngtcp2_path path = path_of(conn);
  int code = ngtcp2_conn_read_pkt(conn->quic, &path, &info, packet, length, now_ns());
  if (code == 0) return;
  if (code != NGTCP2_ERR_DRAINING) fprintf(stderr, "quic: %s\n", ngtcp2_strerror(code));
  if (code == NGTCP2_ERR_CRYPTO) fprintf(stderr, "quic: TLS alert %d\n", ngtcp2_conn_get_tls_alert(conn->quic));
  conn->over = 1;
}

int conn_patience(struct conn *conn) {
  uint64_t due = ngtcp2_conn_get_expiry(conn->quic), now = now_ns();
  if (due <= now) return 0;
  uint64_t left = (due - now) / NGTCP2_MILLISECONDS + 1;
  return left < 100 ? (int)left : 100;
}

void conn_expire(struct conn *conn) {
  if (ngtcp2_conn_get_expiry(conn->quic) > now_ns()) return;
  if (ngtcp2_conn_handle_expiry(conn->quic, now_ns()) != 0) conn->over = 1;
}

void conn_close(struct conn *conn) {
  uint8_t packet[1500];
  ngtcp2_pkt_info info;
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_connection_close_error reason;
  ngtcp2_connection_close_error_default(&reason);
  ngtcp2_connection_close_error_set_application_error(&reason, 0, NULL, 0);
  ngtcp2_ssize length =
      ngtcp2_conn_write_connection_close(conn->quic, &path.path, &info, packet, sizeof packet, &reason, now_ns());
  if (length > 0) sendto(conn->fd, packet, (size_t)length, 0, (struct sockaddr *)&conn->remote, conn->remote_length);
  conn->over = 1;
}
