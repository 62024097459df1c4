// Telegram's side of the Bot API for tests: the package telegram-test-api, with what it lacks and the tests need.
// Added here: updates that are held until there are any and come again until they are confirmed by a higher offset, sendPhoto, getMe as it is today, failures on
// purpose, dates in seconds, and a way for the tests to say things and to wait for what the bot sends.
'use strict';

const http = require('http');
const TelegramServer = require(process.argv[2] + '/node_modules/telegram-test-api');

const telegram = new TelegramServer({ port: 1, host: '127.0.0.1', storeTimeout: 1e6 });
const failures = [];
const photos = [];
const polls = [];
let waiting = [];

function notify() {
  const woken = waiting;
  waiting = [];
  woken.forEach((wake) => wake());
}

function waitUntil(met, ms) {
  const deadline = Date.now() + ms;
  return new Promise((resolve) => {
    const look = () => {
      const left = deadline - Date.now();
      if (met() || left <= 0) return resolve();
      const timer = setTimeout(look, left);
      waiting.push(() => { clearTimeout(timer); look(); });
    };
    look();
  });
}

const addBotMessage = telegram.addBotMessage.bind(telegram);
telegram.addBotMessage = (message, token) => {
  const added = addBotMessage({ ...message }, token);
  notify();
  return { ...added, date: Math.floor(added.date / 1000) };
};

function body(request) {
  return new Promise((resolve) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => resolve(Buffer.concat(parts)));
  });
}

function form(request, raw) {
  if ((request.headers['content-type'] || '').startsWith('application/json')) return JSON.parse(raw.toString() || '{}');
  const found = Object.fromEntries(new URLSearchParams(raw.toString()));
  // Objects come as JSON, and an answer that gives one back as text is none of Telegram's.
  if (found.link_preview_options) found.link_preview_options = JSON.parse(found.link_preview_options);
  return found;
}

function multipart(request, raw) {
  const boundary = /boundary=([^;]+)/.exec(request.headers['content-type'])[1];
  const found = {};
  for (const part of raw.toString('latin1').split(`--${boundary}`)) {
    const match = /name="([^"]+)"[^]*?\r\n\r\n([^]*)\r\n$/.exec(part);
    if (match) found[match[1]] = match[2];
  }
  return found;
}

function answer(response, status, value) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(value));
}

const format = (update) => (update.raw ? { update_id: update.updateId, ...update.raw } : TelegramServer.formatUpdate(update));

async function getUpdates(token, asked, response) {
  const offset = Number(asked.offset || 0);
  polls.push({ token, offset });
  const mine = () => telegram.storage.userMessages.filter((u) => u.botToken === token && u.updateId >= offset);
  telegram.storage.userMessages = telegram.storage.userMessages.filter((u) => u.botToken !== token || u.updateId >= offset);
  notify();
  await waitUntil(() => mine().length > 0 || response.destroyed, Number(asked.timeout || 0) * 1000);
  answer(response, 200, { ok: true, result: mine().slice(0, Number(asked.limit || 100)).map(format) });
}

function sendPhoto(token, asked, response) {
  const image = Buffer.from(asked.photo || '', 'latin1');
  photos.push({ token, chat_id: asked.chat_id, caption: asked.caption, width: image.readUInt32BE(16), bytes: image.length });
  const sent = telegram.addBotMessage({ chat_id: asked.chat_id, text: `[picture] ${asked.caption || ''}` }, token);
  answer(response, 200, { ok: true, result: { message_id: sent.message_id, date: sent.date, chat: sent.chat, photo: [] } });
}

// What the tests ask for. Each takes and gives JSON.
const controls = {
  say({ token, chat, user, name, text, location, group, raw }) {
    const update = { ...telegram.getCommonFields(token) };
    if (raw) {
      update.raw = raw;
    } else {
      const from = { id: user || chat, is_bot: false, first_name: name || `User ${user || chat}`, username: `user${user || chat}` };
      update.message = {
        botToken: token, from, chat: { id: chat, type: group ? 'group' : 'private' }, date: Math.floor(Date.now() / 1000), text, location,
      };
    }
    telegram.storage.userMessages.push(update);
    telegram.updateId++;
    telegram.messageId++;
    notify();
    return { update_id: update.updateId };
  },
  fail({ method, chat, times, status, body: text }) {
    failures.push({ method, chat, times, status, text });
    return {};
  },
  async sent({ token, from, count, ms }) {
    const mine = () => telegram.storage.botMessages.filter((m) => m.botToken === token);
    await waitUntil(() => mine().length >= from + count, ms);
    return mine().slice(from).map((m) => ({ chat: Number(m.message.chat_id), time: m.time, ...m.message }));
  },
  async confirmed({ token, ms }) {
    const left = () => telegram.storage.userMessages.filter((u) => u.botToken === token).length;
    await waitUntil(() => left() === 0, ms);
    return left();
  },
  photos: () => photos,
  polls: ({ token }) => polls.filter((p) => p.token === token).length,
};

async function handle(request, response) {
  const raw = await body(request);
  const [, control] = /^\/test\/(\w+)$/.exec(request.url) || [];
  if (control) return answer(response, 200, await controls[control](JSON.parse(raw.toString())));
  const [, token, method] = /^\/bot([^/]+)\/(\w+)/.exec(request.url) || [];
  if (token === 'wrong') return answer(response, 401, { ok: false, error_code: 401, description: 'Unauthorized' });
  const asked = (request.headers['content-type'] || '').startsWith('multipart') ? multipart(request, raw) : form(request, raw);
  const failing = failures.find((f) => f.method === method && f.times > 0 && (!f.chat || String(f.chat) === String(asked.chat_id)));
  if (failing) {
    failing.times--;
    if (failing.status === 0) return request.socket.destroy();
    response.writeHead(failing.status, { 'Content-Type': 'application/json' });
    return response.end(failing.text);
  }
  if (method === 'getMe') return answer(response, 200, { ok: true, result: { id: 666, is_bot: true, first_name: 'Test', username: 'test_bot' } });
  if (method === 'getUpdates') return getUpdates(token, asked, response);
  if (method === 'sendPhoto') return sendPhoto(token, asked, response);
  // The rest is the package's: its own body parser passes over a request whose body is there already.
  request.body = asked;
  request._body = true;
  return telegram.webServer(request, response);
}

const server = http.createServer((request, response) => {
  response.on('close', notify);
  handle(request, response).catch((error) => answer(response, 500, { ok: false, error_code: 500, description: String(error) }));
});
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
