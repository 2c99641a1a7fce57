/** Whose an object is: an app's, in one mode. Every key in D1 leads with it. */
export interface Tenant {
  app: string;
  livemode: boolean;
}
