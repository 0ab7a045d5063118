// How the sources become one script: for the page, and for the tests.

export const options = {
  bundle: true,
  write: false,
  target: "es2022",
  mainFields: ["module", "main"],
  define: { "import.meta.url": '"https://page.invalid/"' }, // libraries ask where they lie: nowhere, nothing is fetched
  legalComments: "none",
  charset: "utf8",
  logLevel: "error",
};
