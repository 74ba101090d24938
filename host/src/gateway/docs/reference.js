// Redoc over the document beside the page.
window.addEventListener("load", () => {
  const options = {
    nativeScrollbars: true,
  };
  Redoc.init("openapi.json", options, document.getElementById("page"));
});
