// One stream for many: what all tabs of a browser watch comes over one connection. This runs in a
// shared worker, or in the page itself where there is none.

/** From a tab: what it watches now, each topic with the token it goes on after. */
export type Wish = { topics: [topic: string, token: string][] };

/** To a tab. */
export type News =
  | { kind: "event"; topic: string; token: string; event: unknown }
  | { kind: "gap"; topic: string; events: string }
  | { kind: "complete"; topic: string }
  | { kind: "failed"; topic: string; code: number }
  | { kind: "connected"; value: boolean };

interface Message {
  topic: string;
  token: string;
  event: unknown;
  events?: string;
  error?: { code: number };
}

interface Tab {
  tell: (news: News) => void;
  /** What it watches, and the token of the last event that it was told. */
  topics: Map<string, string>;
  heard: number;
}

/** A tab that is seen says so at least this often. */
export const BEAT_MILLISECONDS = 20_000;
/** Most topics of one connection, as the gateway bounds them. */
const MOST_TOPICS = 32;
const SOON_MILLISECONDS = 20;
const LATER_MILLISECONDS = 1_000;
const RETRY_MILLISECONDS = 2_000;

/** Whether a token comes after another one. Tokens are numbers with dots between them. */
export function after(token: string, other: string): boolean {
  if (!other) return true;
  const [left, right] = [token, other].map((text) => text.split(".").map(Number));
  for (let place = 0; place < Math.max(left.length, right.length); place++) {
    const difference = (left[place] ?? 0) - (right[place] ?? 0);
    if (difference || Number.isNaN(difference)) return !(difference < 0);
  }
  return false;
}

/** Joins what tabs watch, and shares out what comes. */
export class Streams {
  private readonly tabs = new Map<object, Tab>();
  private source: EventSource | null = null;
  /** Where the open connection stands with each of its topics. */
  private positions = new Map<string, string>();
  /** The newest event of topics without tokens: their present state. */
  private readonly states = new Map<string, Message>();
  private timer = 0;

  constructor() {
    setInterval(() => this.forget(), BEAT_MILLISECONDS);
  }

  /** Takes up what a tab watches now; nothing at all is also how it leaves. */
  wish(key: object, wish: Wish, tell: (news: News) => void): void {
    const before = this.tabs.get(key)?.topics;
    const topics = new Map(wish.topics);
    // What was told since the tab spoke is on its way to it.
    for (const [topic, token] of topics) {
      const told = before?.get(topic);
      if (told && after(told, token)) topics.set(topic, told);
    }
    if (topics.size) this.tabs.set(key, { tell, topics, heard: Date.now() });
    else this.tabs.delete(key);
    for (const topic of topics.keys()) {
      const state = this.states.get(topic);
      if (state && this.positions.has(topic) && !before?.has(topic))
        tell({ kind: "event", topic, token: "", event: state.event });
    }
    this.adapt();
  }

  /** Lets go of tabs that were not heard of, e.g. as they crashed. */
  private forget(): void {
    const oldest = Date.now() - 3 * BEAT_MILLISECONDS;
    for (const [key, tab] of this.tabs) if (tab.heard < oldest) this.tabs.delete(key);
    this.adapt();
  }

  /** What is to be watched, each topic from where the tab that is farthest back stands. */
  private wanted(): Map<string, string> {
    const wanted = new Map<string, string>();
    for (const tab of this.tabs.values())
      for (const [topic, token] of tab.topics) {
        const known = wanted.get(topic);
        if (known === undefined || after(known, token)) wanted.set(topic, token);
      }
    return new Map([...wanted].slice(0, MOST_TOPICS));
  }

  /** Opens another connection where the present one is not what is wanted. */
  private adapt(): void {
    const wanted = this.wanted();
    const lacking = [...wanted].some(([topic, token]) => {
      const position = this.positions.get(topic);
      return position === undefined || (position && position !== token && after(position, token));
    });
    const idle = [...this.positions.keys()].some((topic) => !wanted.has(topic));
    clearTimeout(this.timer);
    if (lacking) this.timer = setTimeout(() => this.open(), SOON_MILLISECONDS) as unknown as number;
    else if (idle) this.timer = setTimeout(() => this.open(), LATER_MILLISECONDS) as unknown as number;
  }

  private close(): void {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    this.positions = new Map();
  }

  private open(): void {
    this.close();
    const wanted = this.wanted();
    if (!wanted.size) return;
    this.positions = wanted;
    const url = new URL("/live", location.origin);
    for (const [topic, token] of wanted)
      url.searchParams.append("watch", token ? `${topic}@${token}` : topic);
    const source = new EventSource(url);
    this.source = source;
    const on = (kind: string, take: (message: Message) => void): void =>
      source.addEventListener(kind, (event) => {
        if (this.source === source) take(JSON.parse((event as MessageEvent<string>).data) as Message);
      });
    source.onopen = () => this.tellAll({ kind: "connected", value: true });
    on("message", (message) => this.take(message));
    on("gap", ({ topic, events }) => this.tell(topic, { kind: "gap", topic, events: events ?? "0" }));
    on("complete", ({ topic }) => this.finish(topic, { kind: "complete", topic }));
    on("failed", ({ topic, error }) =>
      this.finish(topic, { kind: "failed", topic, code: error?.code ?? 500 }),
    );
    source.addEventListener("end", () => this.close());
    source.onerror = () => {
      if (this.source !== source) return;
      this.tellAll({ kind: "connected", value: false });
      if (source.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
      this.close();
      this.timer = setTimeout(() => this.open(), RETRY_MILLISECONDS) as unknown as number;
    };
  }

  private take(message: Message): void {
    const { topic, token, event } = message;
    if (token) this.positions.set(topic, token);
    else this.states.set(topic, message);
    for (const tab of this.tabs.values()) {
      const seen = tab.topics.get(topic);
      if (seen === undefined || (token && !after(token, seen))) continue;
      tab.topics.set(topic, token);
      tab.tell({ kind: "event", topic, token, event });
    }
  }

  /** Tells the end of a topic; nobody watches it any more, until somebody asks again. */
  private finish(topic: string, news: News): void {
    const told = [...this.tabs].filter(([, tab]) => tab.topics.delete(topic));
    this.positions.delete(topic);
    this.states.delete(topic);
    for (const [key, tab] of told) {
      tab.tell(news);
      if (!tab.topics.size) this.tabs.delete(key);
    }
  }

  private tell(topic: string, news: News): void {
    for (const tab of this.tabs.values()) if (tab.topics.has(topic)) tab.tell(news);
  }

  private tellAll(news: News): void {
    for (const tab of this.tabs.values()) tab.tell(news);
  }
}
