// What the tests have workers do; the same in functions.py and functions_test.go.
'use strict';
const fs = require('fs');
const { execSync, spawn } = require('child_process');

const started = [];
const hang = () => new Promise(() => setInterval(() => {}, 1 << 30));

module.exports = {
  echo: (x) => x,
  neg: (x) => -x,
  pid: () => process.pid,
  fail: (message) => { throw new RangeError(message); },
  fail_odd: (x) => { if (x % 2) throw new RangeError(`odd: ${x}`); return x; },
  block: async (fifo) => { await fs.promises.readFile(fifo); return 'released'; },
  ended: (code) => { fs.writeSync(2, 'about to end\n'); process.exit(code); },
  killed: (sig) => { process.kill(process.pid, sig); return hang(); },
  unencodable: () => ({ rows: [1, () => 1] }),
  printing: (x) => {
    console.log('out', x);
    execSync('echo child; echo child-err >&2', { stdio: 'inherit' });
    console.error('err', x);
    process.stdout.write('no newline');
    return x;
  },
  surroundings: () => execSync('ls /proc/self/fd; echo "marker=$FLOW_WORKER"').toString(),
  grandchild: () => spawn('sleep', ['1000'], { stdio: 'ignore' }).pid,
  deaf: async (fifo) => {
    process.removeAllListeners('SIGTERM');
    process.on('SIGTERM', () => {});
    await fs.promises.readFile(fifo);
    return hang();
  },
  setup: (...args) => { started.push(args); },
  setup_fails: () => { throw new Error('no database'); },
  setup_args: () => started,
  keywords: ({ a, b = 2, ...more }) => ({ a, b, more }),
  later: async (x) => x,
  items: function* (n) { for (let i = 0; i < n; i++) yield i; },
  later_items: async function* (n) { for (let i = 0; i < n; i++) yield i; },
  types: () => ({ when: new Date(0), set: new Set([7]), map: new Map([['k', 1]]), big: 7n, none: undefined, list: [undefined] }),
  big: (n) => Buffer.alloc(n, 0xff),
  nan: () => [1, NaN],
  Thing: { name: 'thing', inner(x) { return ['inner', x, this.name]; } },
  not_a_function: 7,
  rude: (kind) => {
    if (kind === 'surrogate') throw new Error('abc\u{1f600}'.slice(0, 4));
    if (kind === 'str') throw { toString() { throw 1; }, toJSON() { throw 2; } };
    if (kind === 'huge') throw new Error('x'.repeat(10_000_000));
    const e = new Error('m');
    Object.defineProperty(e, 'name', { get() { throw 1; } });
    throw e;
  },
  later_throw: () => { setTimeout(() => { throw new RangeError('too late'); }, 10); return hang(); },
  whisper: (text) => { fs.writeSync(2, text); },
  vanish: () => process.exit(3),
};
