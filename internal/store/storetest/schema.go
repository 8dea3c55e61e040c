package storetest

import (
	"errors"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"
)

// SetSchema makes a closed ledger say that it is of another schema, as one that
// another grantd wrote does.
func SetSchema(path string, number int) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("version"), []byte(strconv.Itoa(number)))
	})
	return errors.Join(err, db.Close())
}
