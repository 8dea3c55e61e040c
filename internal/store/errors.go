package store

import "errors"

// Errors of Open. They are wrapped with the path and what to do.
var (
	// ErrLocked: another process has the ledger open.
	ErrLocked = errors.New("the ledger is in use")
	// ErrOtherTenant: the ledger belongs to another tenant.
	ErrOtherTenant = errors.New("the ledger belongs to another tenant")
	// ErrOtherAudience: the ledger belongs to another audience, and the change
	// was not accepted.
	ErrOtherAudience = errors.New("the ledger belongs to another audience")
	// ErrNewerSchema: a newer grantd wrote the ledger.
	ErrNewerSchema = errors.New("the ledger was written by a newer grantd")
	// ErrOlderSchema: the ledger needs a migration, which a read-only open
	// cannot make.
	ErrOlderSchema = errors.New("the ledger was written by an older grantd")
	// ErrUnsafe: the file is a symbolic link, not a regular file, or has other
	// names besides.
	ErrUnsafe = errors.New("the file is not safe")
)

// Errors of upkeep.
var (
	// ErrBusy: a backup is being read already.
	ErrBusy = errors.New("another backup is being taken")
	// ErrSound: the ledger is not set aside, for nothing is wrong with it.
	ErrSound = errors.New("nothing is wrong with the ledger")
	// ErrUnsafeDir: somebody else could read or change what is in the state
	// directory.
	ErrUnsafeDir = errors.New("the state directory is not safe")
)

// Errors of every method.
var (
	// ErrCorrupt: the file is damaged or not a ledger.
	ErrCorrupt = errors.New("the ledger is damaged")
	// ErrUnavailable: the system does not let the file be opened or written:
	// the disk is full, read-only or failing, or permissions are missing. A
	// change was not kept, and trying again may help.
	ErrUnavailable = errors.New("the ledger is unavailable")
	// ErrReadOnly: the ledger was opened for reading only.
	ErrReadOnly = errors.New("the ledger is open for reading only")
	// ErrClosed: the ledger was closed.
	ErrClosed = errors.New("the ledger is closed")
	// ErrNotFound: there is no such record.
	ErrNotFound = errors.New("no such record")
	// ErrCursor: the value of After did not come from a previous page.
	ErrCursor = errors.New("not a cursor")
)
