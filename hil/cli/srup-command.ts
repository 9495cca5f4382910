import type { Command } from "./command.ts";

/**
 * Each part of SRUP by itself, so that anybody's may be the others. (docs/protocols/srup.md)
 * @param run what does the work
 */
export const srupCommand = (run: Command["run"]): Command => ({
  name: "srup",
  summary: "SRUP by its parts: key service, command and control server, device",
  operands: "keyex | token KEY.pem | server [FILE] | device",
  details: `
"keyex" registers devices and servers, and gives out certificates for the broker; it writes ca.pem, broker.pem and
broker.key.pem into --state, for any broker with TLS and client certificates, or is the broker too with --with-broker. "token"
prints what a server needs to register there. "server" and "device" take words on standard input and tell what happens:
  server  accept|refuse|fail ID, initiate [ID...], activate ID TOKEN, data ID NAME VALUE, action ID N, id ID,
          terminate|deregister|command ID, devices, syndicate ID URL VALUE, syndication-device ID, syndicate-devices ID...,
          syndicated-action ID N, syndicated-id ID, syndicated-request N TEXT, syndicated-end, syndicated-terminate
  device  join simple|human, join observed ID, observed ID valid|invalid|fail, data ID NAME VALUE, action ID N, id ID,
          respond ID STATUS TOKEN, resign, deregister
VALUE is text, or int32:7, uint8:1, double:1.5 and so on. A device fetches what it is told to into --state.`,
  options: {
    state: { type: "string", value: "DIR", help: "where keys, numbers and files are kept; needed" },
    keyex: { type: "string", value: "URL", help: "server, device: the key service" },
    broker: {
      type: "string",
      value: "ADDRESS",
      help: "keyex, server: mqtt://HOST[:PORT] as all know it (mqtt://localhost)",
    },
    "with-broker": { type: "boolean", help: "keyex: be that broker, on its port (8883)" },
    host: { type: "string", value: "ADDRESS", help: "where to listen (127.0.0.1)" },
    port: {
      type: "string",
      value: "PORT",
      help: "keyex: where to listen (8080); server: port of the file server (any)",
    },
    name: { type: "string", value: "NAME", help: "the name that others know this machine by (localhost)" },
    token: { type: "string", value: "FILE", help: "server: the token of the key service, once" },
    manual: { type: "boolean", help: "server: updates are initiated by word only" },
    ask: { type: "boolean", help: "server: ask about simple joins too" },
    ca: { type: "string", value: "FILE", help: "what the certificate of an https key service must lead to, PEM" },
    takeover: {
      type: "string",
      value: "ID,...",
      help: "device: servers that may take it away by command, or anyone (none)",
    },
    signatures: {
      type: "string",
      value: "HOW",
      help: "server, device: sign by rsa, ed25519 or ml-dsa-65 (rsa, or as in --state)",
    },
    type: { type: "string", value: "TYPE", help: "device: what it registers as (default)" },
  },
  run,
});
