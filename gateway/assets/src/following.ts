// What this page follows. Only a page that is seen does; one that comes back goes on where it was.

import { BEAT_MILLISECONDS, type News, Streams, type Wish } from "./streams";

export interface Follower {
  /** Something happened. */
  onEvent: (event: unknown) => void;
  /** The stream is complete. */
  onComplete?: () => void;
  /** Something cannot be had any more. */
  onGap?: (events: number) => void;
}

const RETRY_MILLISECONDS = 5_000;
const UNSEEN = [400, 403, 404];

const followers = new Map<string, { token: string; follower: Follower }>();
let send: ((wish: Wish) => void) | null = null;

function receive(news: News): void {
  if (news.kind === "connected") {
    document.body.classList.toggle("disconnected", !news.value);
    return;
  }
  const found = followers.get(news.topic);
  if (!found) return;
  if (news.kind === "event") {
    found.token = news.token || found.token;
    document.body.classList.remove("disconnected");
    found.follower.onEvent(news.event);
  } else if (news.kind === "gap") found.follower.onGap?.(Number(news.events));
  else if (news.kind === "complete") {
    followers.delete(news.topic);
    found.follower.onComplete?.();
  } else if (UNSEEN.includes(news.code)) followers.delete(news.topic);
  else setTimeout(tell, RETRY_MILLISECONDS);
}

function connect(): (wish: Wish) => void {
  const own = document.querySelector<HTMLScriptElement>("script[data-worker]");
  if (own?.dataset.worker && "SharedWorker" in window)
    try {
      const { port } = new SharedWorker(own.dataset.worker, "ackrep-live");
      port.onmessage = (message: MessageEvent<News>) => receive(message.data);
      return (wish) => port.postMessage(wish);
    } catch {
      // A browser that has them, and does not allow them here.
    }
  const streams = new Streams();
  return (wish) => streams.wish(window, wish, receive);
}

function tell(leaving = false): void {
  if (!followers.size && !send) return;
  send ??= connect();
  const seen = !leaving && !document.hidden;
  send({ topics: seen ? [...followers].map(([topic, { token }]) => [topic, token]) : [] });
}

/** Follows a topic of `/live` after a token, until it is complete. */
export function follow(topic: string, token: string, follower: Follower): void {
  followers.set(topic, { token, follower });
  tell();
}

document.addEventListener("visibilitychange", () => tell());
addEventListener("pagehide", () => tell(true));
addEventListener("pageshow", (event) => {
  if (event.persisted) tell();
});
setInterval(() => {
  if (!document.hidden) tell();
}, BEAT_MILLISECONDS);
