// An editor that outlives its daemon: it watches one session, keeps a cursor, resumes after every
// restart, and checks the stream as it comes.
//
// What it may rely on: seq grows, and covers every number (a merged delta covers from..seq), but
// for two holes: a replay leaves out the deltas of a message that it then carries whole, and a
// restart after a crash jumps ahead, so that a number is never used for two different events.
import { RpcClient, textOf } from './daemon.mjs';

const passing = new Set(['sync.live', 'sync.gap', 'turn.progress', 'session.deleted']);
const crashJump = 2 ** 24;

export const isDelta = (event) => event.kind.endsWith('.delta');

export class Editor {
  // `complain(text)` is told of every fault.
  constructor(session, name, complain) {
    Object.assign(this, { session, name, cursor: 0, title: undefined, state: 'idle', turn: '' });
    this.complain = (text) => complain(`${name}: ${text}`);
    this.messages = new Map();  // id -> text, in order
    this.logged = new Map();    // seq -> event, deltas left out
  }

  // Resolves when the session is live again.
  async resume(discovery) {
    this.isReplaying = true;
    const since = { [this.session]: this.cursor };
    const hello = this.epoch ? { resume: { epoch: this.epoch, cursors: since } } : {};
    const live = new Promise((resolve) => { this.becomeLive = resolve; });
    this.client = await RpcClient.connect(discovery, hello, (event) => this.hear(event));
    const isNew = !this.epoch;
    this.epoch = this.client.welcome.epoch;
    if (isNew) await this.client.call('session/subscribe', { session: this.session, since: 0 });
    await Promise.race([live, this.client.closed.then(() => { throw new Error('closed before it was live'); })]);
  }

  hear(event) {
    if (event.session !== this.session) return;
    if (event.kind === 'sync.live') {
      this.isReplaying = false;
      this.becomeLive();
    } else if (event.kind === 'sync.gap') {
      this.replace(event.data.snapshot);
    } else if (!passing.has(event.kind)) {
      this.checkSeq(event);
      this.cursor = event.seq;
      if (!isDelta(event)) this.logged.set(event.seq, event);
      this.fold(event);
    }
    this.onChange?.(event);
  }

  checkSeq(event) {
    const first = event.data.from ?? event.seq;
    const { kind, seq } = event;
    if (first <= this.cursor) return this.complain(`doubled: ${kind} ${first}..${seq} after ${this.cursor}`);
    const isWhole = this.isReplaying && kind === 'message.upsert';
    if (first > this.cursor + 1 && !isWhole && first < this.cursor + crashJump / 2)
      this.complain(`lost: ${kind} ${first}..${seq} after ${this.cursor}`);
  }

  fold({ kind, data }) {
    if (kind === 'message.upsert') this.messages.set(data.message.id, textOf(data.message));
    if (kind === 'message.delta') this.messages.set(data.message, (this.messages.get(data.message) ?? '') + data.text);
    if (kind === 'session.created' || kind === 'session.renamed') this.title = data.title;
    if (kind === 'session.state') Object.assign(this, { state: data.state, turn: data.turn });
  }

  replace(snapshot) {
    this.messages = new Map(snapshot.messages.map(({ message }) => [message.id, textOf(message)]));
    Object.assign(this, { cursor: snapshot.info.seq, title: snapshot.info.title, state: snapshot.info.state, turn: snapshot.turn });
  }

  // Resolves when no turn runs in the session; rejects when the connection ends before.
  async idle() {
    while (this.state !== 'idle')
      await Promise.race([
        new Promise((resolve) => { this.onChange = resolve; }),
        this.client.closed.then(() => { throw new Error('the connection ended'); }),
      ]);
  }

  // What is shown here is what the daemon says the session is.
  async compareWithSnapshot() {
    const snapshot = await this.client.call('session/snapshot', { session: this.session });
    const shown = { title: this.title, cursor: this.cursor, messages: [...this.messages] };
    const expected = {
      title: snapshot.info.title, cursor: snapshot.info.seq,
      messages: snapshot.messages.map(({ message }) => [message.id, textOf(message)]),
    };
    if (JSON.stringify(shown) !== JSON.stringify(expected))
      this.complain(`lost: shows ${JSON.stringify(shown)}, the daemon ${JSON.stringify(expected)}`);
    return snapshot;
  }
}
