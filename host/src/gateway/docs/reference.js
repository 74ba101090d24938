// Redoc over the document beside the page.
window.addEventListener("load", () => {
  const options = {
    // Its search runs in a worker made of text, which the page may not do.
    disableSearch: true,
    hideDownloadButton: false,
    nativeScrollbars: true,
  };
  Redoc.init("openapi.json", options, document.getElementById("page"));
});
