/** What a call that may be refused answers: a refusal is data, never an exception (a class thrown across RPC arrives as a bare Error). */
export type Result<Value, Refusal> = { ok: Value } | { refusal: Refusal };
