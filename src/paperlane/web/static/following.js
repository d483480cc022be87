// Following tasks and batches while they are under way: a few live over WebSockets, the rest by asking at times.

import { say } from "./api.js";

const MOST = 4; // sockets of one tab; the service lets a user open ten
const LOOK_EVERY = 5_000;
const SHORTEST_REST = 500;
const LONGEST_REST = 30_000;
const lost = document.getElementById("lost");

/**
 * Follows queries of `/progress` (`task=…`, `batch=…`), each until the service says that it has ended.
 *
 * `moved(frame)` is told each change, `ended(query)` the end. `look()` asks for the state of everything, and a session
 * that is over leads it to the sign-in: it is called every five seconds while anything is not followed live.
 */
export class Follower {
  #waiting = new Set(); // in the order in which they come to a socket
  #sockets = new Map(); // by query
  #rest = SHORTEST_REST;
  #resting = null;
  #looking = null;

  constructor({ moved, look, ended = () => {} }) {
    Object.assign(this, { moved, look, ended });
    addEventListener("online", () => this.#wake());
    addEventListener("offline", () => [...this.#sockets.keys()].forEach((query) => this.#broken(query)));
  }

  follow(query) {
    if (!this.#sockets.has(query)) this.#waiting.add(query);
    this.#fill();
  }

  #fill() {
    for (const query of this.#waiting) {
      if (this.#resting || this.#sockets.size === MOST) break;
      this.#waiting.delete(query);
      this.#open(query);
    }
    this.#lookSoon();
  }

  #open(query) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/progress?${query}`);
    this.#sockets.set(query, socket);
    const isOurs = () => this.#sockets.get(query) === socket;
    let silent = true;
    socket.onmessage = (message) => {
      if (!isOurs()) return;
      if (silent) this.#reached();
      silent = false;
      this.moved(JSON.parse(message.data));
    };
    socket.onclose = ({ code }) => {
      if (!isOurs()) return;
      if (code === 1000) this.#over(query);
      else this.#broken(query);
    };
  }

  #over(query) {
    this.#sockets.delete(query);
    this.ended(query);
    this.#fill();
  }

  /** Refused or dropped: it queues anew, behind those that may have more luck. */
  #broken(query) {
    const socket = this.#sockets.get(query);
    this.#sockets.delete(query);
    socket.close();
    this.#waiting.add(query);
    this.#resting ??= setTimeout(() => this.#wake(), this.#rest);
    this.#rest = Math.min(this.#rest * 2, LONGEST_REST);
    this.#lookSoon();
  }

  #wake() {
    clearTimeout(this.#resting);
    this.#resting = null;
    this.#fill();
  }

  #reached() {
    this.#rest = SHORTEST_REST;
    lost.hidden = true;
  }

  #isLive() {
    return !this.#waiting.size && [...this.#sockets.values()].every((socket) => socket.readyState === WebSocket.OPEN);
  }

  #lookSoon() {
    if (this.#looking || this.#isLive()) return;
    this.#looking = setTimeout(async () => {
      try {
        if (!this.#isLive()) await this.look();
        lost.hidden = true;
      } catch {
        lost.textContent = say("connection lost");
        lost.hidden = false;
      }
      this.#looking = null;
      this.#lookSoon();
    }, LOOK_EVERY);
  }
}
