// Keeps what a member needs without the network: a page that says what to do, and the member's card.
// Every other page comes from the network or not at all, so nothing of one member is left to another.
"use strict";

const { version, offline, card, logout, files } = {{ told|safe }};
const PAGES = `pages-${version}`;
const CARD = "card";
// A till does not wait longer for a code; a kept card asks for a new one by itself.
const PATIENCE_MS = 3000;
// Counts how often the card was forgotten: what was asked for before is not kept afterwards.
let forgotten = 0;

self.addEventListener("install", (event) => {
  const all = caches.open(PAGES).then((cache) => cache.addAll([offline, ...files]));
  event.waitUntil(all.then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      const old = names.filter((name) => name !== PAGES && name !== CARD);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.registration.navigationPreload?.enable();
      await self.clients.claim();
    })(),
  );
});

// Each page tells whose it is; nobody's card but theirs stays, and no card where nobody is logged in.
self.addEventListener("message", (event) => {
  event.waitUntil(
    (async () => {
      const kept = await caches.match(card, { cacheName: CARD, ignoreVary: true });
      if (kept && kept.headers.get("X-Login") !== event.data.login) await forget();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== self.location.origin) return;
  if (request.mode !== "navigate") {
    if (files.includes(pathname)) event.respondWith(file(request));
  } else if (request.method !== "GET") {
    if (pathname === logout) event.waitUntil(forget());
  } else if (pathname === card) {
    event.respondWith(cardPage(event));
  } else {
    event.respondWith(fromNetwork(event).catch(offlinePage));
  }
});

async function file(request) {
  return (await caches.match(request, { cacheName: PAGES, ignoreVary: true })) || fetch(request);
}

async function fromNetwork(event) {
  return (await event.preloadResponse) || fetch(event.request);
}

function offlinePage() {
  return caches.match(offline, { cacheName: PAGES, ignoreVary: true });
}

async function cardPage(event) {
  const kept = await caches.match(card, { cacheName: CARD, ignoreVary: true });
  const asked = Date.now();
  const before = forgotten;
  const fresh = fromNetwork(event).then((answer) => {
    if (answer.ok) event.waitUntil(keep(answer.clone(), asked, before));
    return answer;
  });
  if (!kept) return fresh.catch(offlinePage);
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, kept));
  const first = Promise.race([fresh, late]).catch(() => kept);
  event.waitUntil(fresh.catch(() => kept));
  return first;
}

// With the time it was asked for, by which the page tells how long its code is good.
async function keep(answer, asked, before) {
  const text = await answer.text();
  const headers = new Headers(answer.headers);
  headers.set("X-Login", (text.match(/data-login="([^"]*)"/) || ["", ""])[1]);
  const dated = text.replace("<html", `<html data-kept-at="${asked}"`);
  const cache = await caches.open(CARD);
  if (forgotten === before) await cache.put(card, new Response(dated, { headers }));
}

function forget() {
  forgotten += 1;
  return caches.delete(CARD);
}
