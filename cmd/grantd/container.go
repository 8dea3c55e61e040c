//go:build container

package main

// A container from scratch has neither root certificates nor time zones. A
// system that has them keeps them newer than any binary.
import (
	_ "time/tzdata"

	_ "golang.org/x/crypto/x509roots/fallback"
)
