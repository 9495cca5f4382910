"""A plain http.server behind TLS, as an update server of the family is: no ranges, no entity tags, HTTP/1.0.

Usage: plain_https_server.py FOLDER CERTIFICATE KEY [PORT]
PORT is 4443 if not given, as with the original; 0 takes any free one. Writes the port as its first line.
"""

import functools
import http.server
import ssl
import sys

folder, certificate, key = sys.argv[1:4]
port = int(sys.argv[4]) if len(sys.argv) > 4 else 4443

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.maximum_version = ssl.TLSVersion.TLSv1_2
context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")

handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
server = http.server.HTTPServer(("127.0.0.1", port), handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
