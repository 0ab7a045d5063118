/** Why an image cannot be used, in words that follow its name. */
export class Refused extends Error {}
