/** Why an image cannot be used, in words that follow its name. */
export class Refused extends Error {}

/** What a reader has to change, as a message of the catalogues with its values. */
export class Told extends Error {
  constructor(message: string, readonly values: Record<string, string | number> = {}) {
    super(message);
  }
}
