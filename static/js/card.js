// The code on the card: a new one every minute while somebody looks, and how long this one is good.
// Without the network the old one stays, and says so when it is of no use any more.
(() => {
  "use strict";

  const AGAIN_MS = 10_000;
  // When the code was asked for, not when it came: a slow network must not make it look fresh. A
  // page kept for when there is no network says it itself.
  let asked = Number(document.documentElement.dataset.keptAt) || performance.timeOrigin;
  let made = asked;

  const clock = (seconds) =>
    `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

  function look() {
    const code = document.getElementById("card-code");
    const now = Date.now();
    const left = Math.max(0, Math.ceil(Number(code.dataset.goodFor) - (now - made) / 1000));
    const over = code.querySelector(".pass-over");
    code.classList.toggle("is-over", left === 0);
    code.querySelector(".pass-left").hidden = left === 0;
    code.querySelector("[data-left]").textContent = clock(left);
    // Written once, so that it is read out once.
    if (left === 0 && !over.textContent) {
      over.textContent = code.querySelector("template").content.textContent;
    }
    const isDue = now - made >= Number(code.dataset.renewedAfter) * 1000;
    if (isDue && document.visibilityState === "visible" && now - asked >= AGAIN_MS) {
      asked = now;
      window.htmx.trigger(code, "renew");
    }
  }

  function keepAwake() {
    // A screen that goes dark in front of the scanner is of no use.
    if (document.visibilityState === "visible" && navigator.wakeLock) {
      navigator.wakeLock.request("screen").catch(() => {});
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.body.addEventListener("htmx:afterSwap", () => {
      made = asked;
      look();
    });
    document.addEventListener("visibilitychange", () => {
      keepAwake();
      look();
    });
    window.addEventListener("online", () => {
      asked = 0;
      look();
    });
    keepAwake();
    look();
    setInterval(look, 1000);
  });
})();
