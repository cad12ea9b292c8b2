/* Shows the contract. Addresses are relative, so that the page works wherever the API is mounted. */
"use strict";

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#contract",
  deepLinking: true,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
});
