// An error that the person at the keyboard can act on: printed without a stack.

/** `hint` says what to do next, where that is known. */
export class UserError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.name = "UserError";
    this.hint = hint;
  }
}
