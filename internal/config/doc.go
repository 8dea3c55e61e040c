// Package config is grantd's configuration: one table of environment variables
// (see Variables) that reads them, checks them, and prints their documentation,
// so that the three cannot disagree.
//
// Load is pure but for reading the files it is told of: it touches no logger,
// flag or process state, reports every error at once, and never puts a secret
// into an error, a notice or anything printable (see Secret).
package config
