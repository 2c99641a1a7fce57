// Every table of the database, for drizzle-kit.
export * from "../apps/table.ts";
export * from "../auth/table.ts";
export * from "../batches/table.ts";
export * from "../channels/table.ts";
export * from "../charges/table.ts";
export * from "../events/table.ts";
export * from "../operation/table.ts";
export * from "../reconciliation/table.ts";
export * from "../refunds/table.ts";
export * from "../search/table.ts";
export * from "../webhooks/table.ts";
