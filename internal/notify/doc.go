// Package notify tells people what needs them, by a line in a chat of theirs.
// It drops and merges rather than wait: it is never in the way of the job.
package notify
