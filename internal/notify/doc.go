// Package notify tells people what needs them, by a line in a chat of theirs.
// It drops and merges rather than wait: it is never in the way of the job.
//
// Whoever has something to tell calls Tell, which keeps it in memory and
// returns. Run posts it, a few lines in one message, as JSON that Slack's
// incoming webhooks and what is compatible with them take:
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
//
// The address of such a webhook is a secret: whoever has it can write there. It
// is shown nowhere, and no answer can send what is told to another address.
package notify
