// A worker process in Node (18 and later): docs/worker-protocol.md. It is sent to node
// over its own pipe, so it is no module that an import could find.
'use strict';
const fs = require('fs');
const net = require('net');
const path = require('path');
const { createRequire } = require('module');
const { pathToFileURL } = require('url');

const MAX_FRAME = 2 ** 30, MAX_TEXT = 2 ** 18;
const BYTES = '$flow:bytes', TEXT = '$flow:text', RESERVED = '$flow:', LONG = 4096;

delete process.env.FLOW_WORKER; // what a task starts is no worker
let folders = [];
const found = new Map();

function send(header, blobs = []) {
  if (blobs.length) header.blobs = blobs.map((b) => b.length);
  const head = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  const data = Buffer.concat([length, head, ...blobs]);
  for (let at = 0; at < data.length;) {
    try {
      at += fs.writeSync(4, data, at);
    } catch (e) {
      if (e.code === 'EAGAIN') continue;
      process.exit(1); // flow has gone
    }
  }
}

// Values.

function decode(blobs) {
  const reviver = blobs.length < 2 ? undefined : (key, v) => {
    if (v !== null && typeof v === 'object' && !Array.isArray(v) && Object.keys(v).length === 1) {
      if (BYTES in v) return blobs[v[BYTES]];
      if (TEXT in v) return blobs[v[TEXT]].toString();
    }
    return v;
  };
  return JSON.parse(blobs[0].toString(), reviver);
}

class NotEncodable extends Error {}

// plainly turns a value into one that JSON.stringify takes as it is, or says what is
// none: JSON.stringify itself drops functions and turns NaN into null without a word.
function plainly(v, plain, blobs, at, above) {
  switch (typeof v) {
    case 'boolean': return v;
    case 'string':
      if (!plain && v.length >= LONG) {
        blobs.push(Buffer.from(v));
        return { [TEXT]: blobs.length - 1 };
      }
      return v;
    case 'number':
      if (!Number.isFinite(v)) throw new NotEncodable(`${at}: ${v} is no JSON`);
      return v;
    case 'undefined': return null;
    case 'object': break;
    case 'bigint':
      if (Number.isSafeInteger(Number(v))) return Number(v);
      throw new NotEncodable(`${at}: ${v}n is too large a number; return a text`);
    default: throw new NotEncodable(`${at}: a ${typeof v} is no JSON`);
  }
  if (v === null) return null;
  if (v instanceof Uint8Array || v instanceof ArrayBuffer) {
    if (plain) throw new NotEncodable(`${at}: bytes are no JSON; decode them, or encode them as base64`);
    blobs.push(Buffer.from(v));
    return { [BYTES]: blobs.length - 1 };
  }
  if (typeof v.toJSON === 'function') return plainly(v.toJSON(''), plain, blobs, at, above);
  if (above.has(v)) throw new NotEncodable(`${at}: it contains itself`);
  above.add(v);
  let out;
  if (v instanceof Map) v = Object.fromEntries(v);
  if (v instanceof Set || ArrayBuffer.isView(v)) v = Array.from(v);
  if (Array.isArray(v)) {
    out = v.map((x, i) => plainly(x, plain, blobs, `${at}[${i}]`, above));
  } else {
    out = {};
    for (const [k, x] of Object.entries(v)) {
      if (k.startsWith(RESERVED)) throw new NotEncodable(`${at}.${k}: keys that begin with ${RESERVED} are reserved`);
      if (x !== undefined) Object.defineProperty(out, k, { value: plainly(x, plain, blobs, `${at}.${k}`, above), enumerable: true });
    }
  }
  above.delete(v);
  return out;
}

function encode(v, plain, blobs) {
  const before = blobs.length;
  try {
    return Buffer.from(JSON.stringify(plainly(v, plain, blobs, 'result', new Set())));
  } catch (e) {
    blobs.length = before;
    if (e instanceof RangeError) throw new NotEncodable('result: it is nested too deeply');
    throw e;
  }
}

// Functions.

// locate finds a module in the folders, then among the installed ones that they see:
// never in the current folder.
function locate(name) {
  if (path.isAbsolute(name)) return require.resolve(name);
  for (const folder of folders) {
    for (const ending of ['', '.js', '.mjs', '.cjs', '/index.js', '/index.mjs']) {
      const file = path.join(folder, name) + ending;
      if (fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return file;
    }
  }
  const seen = [...folders, ...(process.env.NODE_PATH || '').split(path.delimiter).filter(Boolean)];
  for (const folder of seen) {
    try {
      return createRequire(path.join(folder, 'x.js')).resolve(name);
    } catch (e) {
      if (e.code !== 'MODULE_NOT_FOUND' && e.code !== 'ERR_MODULE_NOT_FOUND') throw e;
    }
  }
  if (require('module').builtinModules.includes(name.replace(/^node:/, ''))) return name;
  const e = new Error(`no module ${name} in ${seen.join(', ') || 'no folder (path is empty)'}`);
  e.name = 'ModuleNotFoundError';
  e.stack = undefined;
  throw e;
}

async function load(name) {
  const file = locate(name);
  return import(path.isAbsolute(file) ? pathToFileURL(file).href : file);
}

async function find(name) {
  let f = found.get(name);
  if (f) return f;
  const colon = name.lastIndexOf(':'), module = name.slice(0, colon), names = name.slice(colon + 1);
  const exports = await load(module);
  let owner;
  f = exports;
  for (const part of names.split('.')) {
    owner = f;
    f = f?.[part] ?? (owner === exports ? exports.default?.[part] : undefined);
  }
  if (f === undefined) throw new TypeError(`module ${module} has no ${names}`);
  if (typeof f !== 'function') throw new TypeError(`${name} is a ${typeof f}, not a function`);
  f = f.bind(owner === exports ? undefined : owner);
  found.set(name, f);
  return f;
}

async function call(name, args, value) {
  const f = await find(name);
  let result = await (args === 'positional' ? f(...value) : f(value));
  if (result !== null && typeof result === 'object' && typeof result.next === 'function') {
    const items = [];
    for await (const item of result) items.push(item);
    result = items;
  }
  return result;
}

function failure(e, more = {}) {
  try {
    return { ...more, ...described(e) };
  } catch {
    return { ...more, type: 'Error', message: "(it can't be shown: its own methods throw)" };
  }
}

// clean is a text that can be sent, without its middle if it is too long.
function clean(text) {
  text = String(text);
  if (text.length > MAX_TEXT) text = `${text.slice(0, MAX_TEXT / 2)} … ${text.slice(-MAX_TEXT / 2)}`;
  return text.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\uFFFD');
}

function described(e) {
  if (e instanceof NotEncodable) return { type: 'TypeError', message: clean(e.message) };
  if (!(e instanceof Error)) {
    let message;
    try { message = typeof e === 'string' ? e : JSON.stringify(e) ?? String(e); } catch { message = String(e); }
    return { type: 'Error', message: clean(message) };
  }
  let traceback = ours(e.stack);
  for (let cause = e.cause, n = 0; cause instanceof Error && n < 10; cause = cause.cause, n++) {
    traceback += `\ncaused by: ${ours(cause.stack)}`;
  }
  return { type: clean(e.name || 'Error'), message: clean(e.message), traceback: clean(traceback) };
}

// ours is a stack without the frames of this file and of node itself.
function ours(stack) {
  return String(stack || '').split('\n').filter((l) => !/flow-worker\.js|\[eval\]|node:internal\//.test(l)).join('\n');
}

async function start(header, blobs) {
  folders = header.path || [];
  for (const module of header.preload || []) await load(module);
  if (header.function) await call(header.function, header.args, decode(blobs));
}

async function answer(header, blobs) {
  const out = [Buffer.alloc(0)];
  if (!header.items) {
    out[0] = encode(await call(header.function, header.args, decode(blobs)), header.plain, out);
    return [{ type: 'result', id: header.id }, out];
  }
  const errors = [], parts = [];
  for (const [i, item] of decode(blobs).entries()) {
    try {
      parts.push(encode(await call(header.function, header.args, item), header.plain, out).toString());
    } catch (e) {
      parts.push('null');
      errors.push(failure(e, { item: i }));
    }
  }
  out[0] = Buffer.from(`[${parts.join(',')}]`);
  return [{ type: 'results', id: header.id, errors }, out];
}

// setenv sets variables, or takes those away that are undefined, and returns what undoes
// that.
function setenv(variables = {}) {
  const before = {};
  for (const [name, value] of Object.entries(variables)) {
    before[name] = process.env[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  return before;
}

async function serve(header, blobs) {
  if (header.type === 'cancel') return;
  let reply = [{ type: 'ready' }];
  const undo = setenv(header.env);
  try {
    if (header.type === 'init') await start(header, blobs);
    else {
      reply = await answer(header, blobs);
      if (reply[1].reduce((n, b) => n + b.length, 0) > MAX_FRAME) throw new NotEncodable('result: it has more than 1 GiB');
    }
  } catch (e) {
    reply = [{ type: 'error', id: header.id || 0, error: failure(e) }];
  }
  setenv(undo);
  send(...reply);
}

// Frames, one after the other.

let chunks = [], held = 0, wanted = 4, header = null, busy = Promise.resolve();

function take(n) {
  const all = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, held);
  held -= n;
  chunks = held ? [all.subarray(n)] : [];
  return all.subarray(0, n);
}

function feed(chunk) {
  chunks.push(chunk);
  held += chunk.length;
  for (;;) {
    if (!header) {
      if (held < 4) return;
      if (chunks[0].length < 4) chunks = [Buffer.concat(chunks, held)];
      const n = chunks[0].readUInt32BE();
      if (held < 4 + n) return;
      header = JSON.parse(take(4 + n).subarray(4).toString());
      wanted = (header.blobs || []).reduce((a, b) => a + b, 0);
    }
    if (held < wanted) return;
    const data = wanted ? take(wanted) : Buffer.alloc(0);
    const blobs = [];
    let at = 0;
    for (const n of header.blobs || []) blobs.push(data.subarray(at, at += n));
    const frame = header;
    header = null;
    busy = busy.then(() => serve(frame, blobs));
  }
}

for (const kind of ['uncaughtException', 'unhandledRejection']) {
  process.on(kind, (e) => {
    const { type, message, traceback } = failure(e);
    fs.writeSync(2, `${traceback || ''}\n${type}: ${message} (thrown where nothing waited for it, perhaps by an earlier task)\n`);
    process.exit(1);
  });
}
process.on('SIGINT', () => {}); // flow decides what ends
process.on('SIGTERM', () => process.exit(143));
const input = new net.Socket({ fd: 3, readable: true, writable: false });
input.on('data', feed);
input.on('error', () => process.exit(1));
input.on('end', () => busy.then(() => process.exit(0)));
send({ type: 'hello', protocol: 1, lang: 'node', version: process.versions.node });
