CREATE TABLE `alerts` (
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`kind` text NOT NULL,
	`count` integer NOT NULL,
	`oldest_at` integer NOT NULL,
	`examples` text NOT NULL,
	`raised_at` integer NOT NULL,
	`told` integer DEFAULT 0 NOT NULL,
	`told_at` integer,
	`resolved_at` integer,
	PRIMARY KEY(`app`, `livemode`, `kind`)
);
--> statement-breakpoint
CREATE INDEX `commands_waiting` ON `commands` (`app`,`livemode`,`created_at`) WHERE "commands"."due_at" is not null;--> statement-breakpoint
CREATE INDEX `refunds_pending` ON `refunds` (`created`,`app`,`livemode`,`id`) WHERE "refunds"."status" = 'pending';--> statement-breakpoint
CREATE INDEX `dead_letters_waiting` ON `dead_letters` (`app`,`livemode`,`created_at`,`id`) WHERE "dead_letters"."redriven_at" is null;--> statement-breakpoint
CREATE INDEX `webhook_endpoints_disabled` ON `webhook_endpoints` (`app`,`livemode`,`disabled_at`,`id`) WHERE "webhook_endpoints"."status" = 'disabled' and "webhook_endpoints"."deleted_at" is null;