import { connect, type MqttClient } from "mqtt";

/** How a party gets to its broker. */
export interface BrokerAccess {
  /** "mqtt://host" or "mqtt://host:port"; 8883 if it says none. What stands before the name does not count. */
  readonly broker: string;
  /** PEM. */
  readonly certificate: string;
  readonly privateKey: string;
  /** The broker's certificate must lead to this one, PEM. */
  readonly ca: string;
}

export interface MqttEvents {
  /** For the first time or again; subscriptions are gone. */
  connected(): void;
  message(topic: string, payload: Uint8Array): void;
  /** The connection could not be made, or broke; it is tried again every second. */
  lost(reason: string): void;
}

const PORT = 8883;

/** The connection of one party: MQTT 3.1.1 over TLS, QoS 1, nothing retained, clean session. */
export class MqttLink {
  readonly #client: MqttClient;

  constructor(identity: string, access: BrokerAccess, events: MqttEvents) {
    const { host, port } = brokerAddress(access.broker);
    this.#client = connect({
      protocol: "mqtts",
      host,
      port,
      ca: access.ca,
      cert: access.certificate,
      key: access.privateKey,
      rejectUnauthorized: true,
      servername: /^[\d.]+$|:/.test(host) ? "" : host,
      clientId: `SRUP Client: ${identity}`,
      protocolVersion: 4,
      clean: true,
      keepalive: 60,
      reconnectPeriod: 1_000,
      connectTimeout: 10_000,
      resubscribe: false,
    });
    this.#client.on("connect", () => events.connected());
    this.#client.on("message", (topic, payload) => events.message(topic, new Uint8Array(payload)));
    this.#client.on("error", (error) => events.lost(error.message));
    this.#client.on("close", () => events.lost("the connection is closed"));
  }

  /** Resolves when the broker has it, or never will. */
  subscribe(topic: string): Promise<void> {
    return new Promise((resolve) => void this.#client.subscribe(topic, { qos: 1 }, () => resolve()));
  }

  unsubscribe(topic: string): void {
    this.#client.unsubscribe(topic, () => {});
  }

  publish(topic: string, payload: Uint8Array): void {
    this.#client.publish(topic, Buffer.from(payload), { qos: 1, retain: false }, () => {});
  }

  /** @param atOnce what the broker has not taken yet is lost */
  async close(atOnce = false): Promise<void> {
    await this.#client.endAsync(atOnce);
  }
}

/** "mqtt://host:port", "host:port" or "host". */
function brokerAddress(broker: string): { host: string; port: number } {
  const address = broker.replace(/^[a-z]+:\/\//, "").replace(/\/$/, "");
  const [, host = address, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(address) ?? [];
  return { host: host.replace(/^\[|\]$/g, ""), port: port === undefined ? PORT : Number(port) };
}
