// Has the browser keep the card and a page for when there is no network (templates/worker.js), and
// tells the keeper whose page this is.
(() => {
  "use strict";

  const { worker, login } = document.currentScript.dataset;
  if (!navigator.serviceWorker) return;
  window.addEventListener("load", () => {
    navigator.serviceWorker.register(worker).catch(() => {});
    navigator.serviceWorker.ready.then((keeper) => keeper.active.postMessage({ login }));
  });
})();
