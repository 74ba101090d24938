// Swagger UI over the document beside the page.
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#page",
    deepLinking: true,
    // No validator: it would be asked over the network.
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
  });
});
