CREATE TABLE `environments` (
	`id` integer PRIMARY KEY NOT NULL,
	`name` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `apps` ADD `parent` text;--> statement-breakpoint
CREATE INDEX `apps_parent` ON `apps` (`parent`,`created`) WHERE "apps"."parent" is not null;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `created_by` text;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `last_used_at` integer;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `allowed_ips` text;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `replaced_by` text;