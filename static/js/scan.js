// Reads the member's code with the camera, where the browser can (BarcodeDetector). Everything else
// works without this file: a scanner types into the field, and so can a person.
(() => {
  "use strict";

  const LOOK_MS = 250;
  const form = document.getElementById("by-code");
  const button = form.querySelector("[data-scan]");
  const box = form.querySelector(".camera");
  const video = box.querySelector("video");

  if (!("BarcodeDetector" in window) || !navigator.mediaDevices) return;
  button.hidden = false;

  function stop(stream) {
    for (const track of stream.getTracks()) track.stop();
  }

  async function look(detector, stream) {
    const [found] = await detector.detect(video).catch(() => []);
    if (!found) {
      setTimeout(look, LOOK_MS, detector, stream);
      return;
    }
    stop(stream);
    form.elements.code.value = found.rawValue;
    form.requestSubmit();
  }

  button.addEventListener("click", async () => {
    box.hidden = false;
    button.hidden = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment" },
      });
      addEventListener("pagehide", () => stop(stream));
      video.srcObject = stream;
      // Until there is a picture nothing is found in it.
      video.play().catch(() => {});
      look(new window.BarcodeDetector({ formats: ["qr_code"] }), stream);
    } catch {
      video.hidden = true;
      box.querySelector("[data-denied]").hidden = false;
    }
  });
})();
