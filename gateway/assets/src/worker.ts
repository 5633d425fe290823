// The shared worker: one for all tabs of a browser, and with it one stream.
import { Streams, type Wish } from "./streams";

const streams = new Streams();

(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
  const port = event.ports[0];
  port.onmessage = (message: MessageEvent<Wish>) =>
    streams.wish(port, message.data, (news) => port.postMessage(news));
};
