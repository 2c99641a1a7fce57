CREATE TABLE `apps` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`settings` text NOT NULL,
	`created` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `api_keys` (
	`hash` text PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`name` text NOT NULL,
	`scopes` text NOT NULL,
	`created` integer NOT NULL,
	`expires_at` integer,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_id_unique` ON `api_keys` (`id`);--> statement-breakpoint
CREATE INDEX `api_keys_app` ON `api_keys` (`app`,`livemode`);--> statement-breakpoint
CREATE TABLE `signing_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`public_key` text NOT NULL,
	`private_key` text NOT NULL,
	`created` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `signing_keys_app` ON `signing_keys` (`app`,`livemode`);--> statement-breakpoint
CREATE TABLE `used_signatures` (
	`hash` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `used_signatures_expires` ON `used_signatures` (`expires_at`);--> statement-breakpoint
CREATE TABLE `channel_accounts` (
	`id` text NOT NULL,
	`revision` integer NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`channel` text NOT NULL,
	`credentials` text NOT NULL,
	`created` integer NOT NULL,
	`retired_at` integer,
	PRIMARY KEY(`app`, `livemode`, `channel`, `id`, `revision`)
);
--> statement-breakpoint
CREATE TABLE `charges` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`id` text NOT NULL,
	`version` integer NOT NULL,
	`order_no` text NOT NULL,
	`channel` text NOT NULL,
	`currency` text NOT NULL,
	`amount` integer NOT NULL,
	`paid` integer NOT NULL,
	`refunded` integer NOT NULL,
	`amount_refunded` integer NOT NULL,
	`amount_pending` integer NOT NULL,
	`created` integer NOT NULL,
	`highest_seq` integer NOT NULL,
	`freeze` text,
	`ledger_opened_at` integer,
	`doc` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `charges_id` ON `charges` (`app`,`livemode`,`id`);--> statement-breakpoint
CREATE INDEX `charges_created` ON `charges` (`app`,`livemode`,`created`,`seq`);--> statement-breakpoint
CREATE INDEX `charges_channel` ON `charges` (`app`,`livemode`,`channel`,`created`,`seq`);--> statement-breakpoint
CREATE TABLE `ledger_namespaces` (
	`id` integer PRIMARY KEY NOT NULL,
	`fingerprint` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `payments` (
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`channel` text NOT NULL,
	`transaction_no` text NOT NULL,
	`charge` text NOT NULL,
	PRIMARY KEY(`app`, `livemode`, `channel`, `transaction_no`)
);
--> statement-breakpoint
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`id` text NOT NULL,
	`type` text NOT NULL,
	`charge` text NOT NULL,
	`refund` text,
	`created` integer NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `events_id` ON `events` (`id`);--> statement-breakpoint
CREATE INDEX `events_created` ON `events` (`app`,`livemode`,`created`,`seq`);--> statement-breakpoint
CREATE INDEX `events_type` ON `events` (`app`,`livemode`,`type`,`created`,`seq`);--> statement-breakpoint
CREATE TABLE `commands` (
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`refund` text NOT NULL,
	`charge` text NOT NULL,
	`command` text NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`due_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`app`, `livemode`, `refund`)
);
--> statement-breakpoint
CREATE INDEX `commands_due` ON `commands` (`due_at`);--> statement-breakpoint
CREATE TABLE `refunds` (
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`id` text NOT NULL,
	`charge` text NOT NULL,
	`seq` integer NOT NULL,
	`version` integer NOT NULL,
	`status` text NOT NULL,
	`state` text NOT NULL,
	`channel` text NOT NULL,
	`currency` text NOT NULL,
	`amount` integer NOT NULL,
	`refund_no` text,
	`transaction_no` text,
	`attention` text,
	`created` integer NOT NULL,
	`time_succeed` integer,
	`due_at` integer,
	`doc` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `refunds_id` ON `refunds` (`app`,`livemode`,`id`);--> statement-breakpoint
CREATE INDEX `refunds_charge` ON `refunds` (`app`,`livemode`,`charge`,`seq`);--> statement-breakpoint
CREATE INDEX `refunds_created` ON `refunds` (`app`,`livemode`,`created`);--> statement-breakpoint
CREATE INDEX `refunds_due` ON `refunds` (`due_at`);--> statement-breakpoint
CREATE TABLE `dead_letters` (
	`id` text PRIMARY KEY NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`queue` text NOT NULL,
	`message` text NOT NULL,
	`created_at` integer NOT NULL,
	`redriven_at` integer
);
--> statement-breakpoint
CREATE TABLE `deliveries` (
	`id` text PRIMARY KEY NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`event` text NOT NULL,
	`endpoint` text NOT NULL,
	`status` text NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`due_at` integer,
	`lease_until` integer,
	`trigger` text DEFAULT 'auto' NOT NULL,
	`dead_lettered` integer DEFAULT false NOT NULL,
	`created_at` integer NOT NULL,
	`ended_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_event_endpoint` ON `deliveries` (`event`,`endpoint`);--> statement-breakpoint
CREATE INDEX `deliveries_endpoint` ON `deliveries` (`app`,`livemode`,`endpoint`,`status`);--> statement-breakpoint
CREATE INDEX `deliveries_due` ON `deliveries` (`due_at`) WHERE "deliveries"."due_at" is not null;--> statement-breakpoint
CREATE INDEX `deliveries_delivered` ON `deliveries` (`ended_at`) WHERE "deliveries"."status" = 'delivered';--> statement-breakpoint
CREATE TABLE `delivery_attempts` (
	`delivery` text NOT NULL,
	`number` integer NOT NULL,
	`trigger` text NOT NULL,
	`started_at` integer NOT NULL,
	`duration_ms` integer NOT NULL,
	`http_status` integer,
	`failure` text,
	`answer` text,
	PRIMARY KEY(`delivery`, `number`)
);
--> statement-breakpoint
CREATE INDEX `delivery_attempts_started` ON `delivery_attempts` (`started_at`);--> statement-breakpoint
CREATE TABLE `webhook_endpoints` (
	`id` text PRIMARY KEY NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`url` text NOT NULL,
	`enabled_events` text NOT NULL,
	`status` text NOT NULL,
	`schedule` text NOT NULL,
	`secrets` text NOT NULL,
	`description` text,
	`metadata` text NOT NULL,
	`rate_limit` integer,
	`lane` text DEFAULT 'fast' NOT NULL,
	`created` integer NOT NULL,
	`first_failure_at` integer,
	`disabled_at` integer,
	`disabled_reason` text,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE INDEX `webhook_endpoints_app` ON `webhook_endpoints` (`app`,`livemode`,`created`);