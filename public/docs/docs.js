// The documentation page: shows the document of one language, and lets the other be chosen. Everything comes from the
// service itself, so that it works where there is no other network.
const DOCUMENTS = { en: "/openapi.json", zh: "/openapi.zh.json" };
const LANGUAGE = "edge-refunds-docs-language";

function chosenLanguage() {
  const named = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem(LANGUAGE);
  if (named !== null && Object.hasOwn(DOCUMENTS, named)) return named;
  return navigator.language.startsWith("zh") ? "zh" : "en";
}

const language = chosenLanguage();
localStorage.setItem(LANGUAGE, language);
document.documentElement.lang = language;
for (const link of document.querySelectorAll("nav a")) {
  if (link.lang === language) link.setAttribute("aria-current", "true");
}
const link = document.getElementById("document");
link.href = DOCUMENTS[language];
link.textContent = DOCUMENTS[language].slice(1);

SwaggerUIBundle({
  url: DOCUMENTS[language],
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: false,
  // No badge, which would be asked of another host.
  validatorUrl: null,
  requestInterceptor(request) {
    request.headers["Accept-Language"] ??= language;
    return request;
  },
});
