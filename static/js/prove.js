// The member signs with a finger; what was drawn goes into the form as a picture. A photo is made
// smaller before it is sent. Without this file a photo, or the member's code, works as well.
(() => {
  "use strict";

  const SIDE_MAX = 1600;
  const form = document.getElementById("prove");
  const box = form.querySelector(".sign");
  const canvas = box.querySelector("canvas");
  const brush = canvas.getContext("2d");
  const { signature, photo } = form.elements;
  box.hidden = false;

  function put(input, blob, name) {
    const files = new DataTransfer();
    if (blob) files.items.add(new File([blob], name, { type: blob.type }));
    input.files = files.files;
  }

  function clear() {
    brush.fillStyle = "#fff";
    brush.fillRect(0, 0, canvas.width, canvas.height);
    put(signature, null);
  }

  function place(event) {
    const seen = canvas.getBoundingClientRect();
    return [
      ((event.clientX - seen.left) * canvas.width) / seen.width,
      ((event.clientY - seen.top) * canvas.height) / seen.height,
    ];
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    brush.lineWidth = 5;
    brush.lineCap = brush.lineJoin = "round";
    brush.strokeStyle = "#111";
    brush.beginPath();
    brush.moveTo(...place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    brush.lineTo(...place(event));
    brush.stroke();
    canvas.dataset.signed = "";
  });
  canvas.addEventListener("lostpointercapture", () => {
    if (!("signed" in canvas.dataset)) return;
    // At once, not by a callback: who taps "hand over" next sends what was drawn.
    const [, text] = canvas.toDataURL("image/png").split(",");
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    put(signature, new Blob([bytes], { type: "image/png" }), "signature.png");
  });
  box.querySelector("[data-clear]").addEventListener("click", () => {
    delete canvas.dataset.signed;
    clear();
  });
  clear();

  photo.addEventListener("change", async () => {
    const [file] = photo.files;
    if (!file) return;
    const picture = await createImageBitmap(file).catch(() => null);
    if (!picture) return;
    const scale = Math.min(1, SIDE_MAX / Math.max(picture.width, picture.height));
    const small = document.createElement("canvas");
    small.width = Math.round(picture.width * scale);
    small.height = Math.round(picture.height * scale);
    small.getContext("2d").drawImage(picture, 0, 0, small.width, small.height);
    small.toBlob((blob) => blob && photo.files[0] === file && put(photo, blob, "photo.jpg"), "image/jpeg", 0.8);
  });
})();
