// In WeChat's own browser: its bridge asks for the money by the sheet the page brings. What came of
// it the page learns from us, which hear it from WeChat; here only a refusal is said.
(() => {
  "use strict";

  const button = document.getElementById("pay-sheet");
  if (!button) return;
  const said = document.getElementById(button.dataset.said);

  function ask() {
    button.disabled = true;
    said.hidden = true;
    window.WeixinJSBridge.invoke(
      "getBrandWCPayRequest",
      JSON.parse(button.dataset.sheet),
      (answer) => {
        if (answer.err_msg === "get_brand_wcpay_request:ok") return;
        button.disabled = false;
        said.hidden = false;
      },
    );
  }

  button.addEventListener("click", () => {
    if (window.WeixinJSBridge) ask();
    else document.addEventListener("WeixinJSBridgeReady", ask, { once: true });
  });
})();
