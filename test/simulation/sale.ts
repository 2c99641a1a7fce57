// A payment that a merchant has collected and recorded, as far as a simulation needs to know it.

export interface Sale {
  /** The charge's id. */
  id: string;
  app: string;
  livemode: boolean;
  channel: string;
  /** Minor units. */
  amount: number;
  orderNo: string;
  transactionNo: string | null;
  /** The merchant's key for this mode. */
  key: string;
  /** All of the merchant's keys for this mode, the one above first. */
  keys: readonly Key[];
}

export interface Key {
  /** What is presented. */
  secret: string;
  id: string;
}
