DROP INDEX `refunds_due`;--> statement-breakpoint
CREATE INDEX `refunds_due` ON `refunds` (`due_at`) WHERE "refunds"."due_at" is not null;