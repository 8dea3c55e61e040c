package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
)

// Layout of a bbolt file, from its internal/common: a page begins with id (8
// bytes), flags (2), count (2) and overflow (4), and then has its elements, of
// which each points to its key and value by an offset from itself.
const (
	pageHeader  = 16
	pageElement = 16

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketLeaf   = 0x01 // flag of an element whose value is a bucket

	bucketHeader = 16 // root page and sequence number, before an inline page

	noFreelist = ^uint64(0)
	maxDepth   = 64 // of pages and buckets in each other
)

// pageChecker reads every page that can be reached from the root, from the file
// and not from memory, and believes nothing it reads. bbolt's own check follows
// offsets into memory that is not there, where nobody can recover, and pages
// that lead to themselves for ever: it is only asked once this one is content.
type pageChecker struct {
	file  io.ReaderAt
	size  uint64
	pages uint64 // the first page number that is not in use
	seen  []uint64
}

// checkPages returns how many bytes the file uses, or the first defect of its
// pages.
func checkPages(file io.ReaderAt, fileSize int64, pageSize int) (used int64, err error) {
	c := &pageChecker{file: file, size: uint64(pageSize)}
	root, freelist, err := c.meta()
	if err != nil {
		return 0, err
	}
	if c.pages > uint64(fileSize)/c.size {
		return 0, fmt.Errorf("it ends before its last page, %d", c.pages-1)
	}
	c.seen = make([]uint64, c.pages/64+1)
	if freelist != noFreelist {
		if err := c.freelist(freelist); err != nil {
			return 0, err
		}
	}
	if err := c.tree(root, 0); err != nil {
		return 0, err
	}
	n := 2 // meta pages
	for _, word := range c.seen {
		n += bits.OnesCount64(word)
	}
	return int64(n) * int64(pageSize), nil
}

// meta reads the newer of the two meta pages that is whole, as bbolt does.
func (c *pageChecker) meta() (root, freelist uint64, err error) {
	const magic, atRoot, atFreelist, atPages, atTx, atSum = 0xED0CDAED, 16, 32, 40, 48, 56
	found, newest := false, uint64(0)
	for i := range int64(2) {
		b := make([]byte, pageHeader+atSum+8)
		if _, err := c.file.ReadAt(b, i*int64(c.size)); err != nil {
			return 0, 0, fmt.Errorf("read meta page %d: %w", i, err)
		}
		b = b[pageHeader:]
		sum := fnv.New64a()
		_, _ = sum.Write(b[:atSum])
		if u32(b) != magic || u64(b[atSum:]) != sum.Sum64() || found && u64(b[atTx:]) <= newest {
			continue
		}
		found, newest = true, u64(b[atTx:])
		root, freelist, c.pages = u64(b[atRoot:]), u64(b[atFreelist:]), u64(b[atPages:])
	}
	if !found {
		return 0, 0, errors.New("both meta pages are damaged")
	}
	return root, freelist, nil
}

// page reads a page with those it overflows into, and notes them as used.
func (c *pageChecker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= c.pages {
		return nil, fmt.Errorf("page %d is beyond the %d there are", id, c.pages)
	}
	header := make([]byte, pageHeader)
	if _, err := c.file.ReadAt(header, int64(id*c.size)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	n := uint64(u32(header[12:])) + 1
	if u64(header) != id {
		return nil, fmt.Errorf("page %d says that it is page %d", id, u64(header))
	}
	if n > c.pages-id {
		return nil, fmt.Errorf("page %d overflows the file", id)
	}
	for p := id; p < id+n; p++ {
		if c.seen[p/64]&(1<<(p%64)) != 0 {
			return nil, fmt.Errorf("page %d is used twice", p)
		}
		c.seen[p/64] |= 1 << (p % 64)
	}
	b := make([]byte, n*c.size)
	if _, err := c.file.ReadAt(b, int64(id*c.size)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return b, nil
}

func (c *pageChecker) freelist(id uint64) error {
	b, err := c.page(id)
	if err != nil {
		return fmt.Errorf("free list: %w", err)
	}
	if u16(b[8:]) != freelistPage {
		return fmt.Errorf("free list: page %d is none", id)
	}
	n, ids := uint64(u16(b[10:])), b[pageHeader:]
	if n == 0xffff { // the number is in the first element
		n, ids = u64(ids), ids[8:]
	}
	if n > uint64(len(ids))/8 {
		return fmt.Errorf("free list: %d pages do not fit into page %d", n, id)
	}
	for i := range n {
		if free := u64(ids[8*i:]); free < 2 || free >= c.pages {
			return fmt.Errorf("free list: page %d is beyond the %d there are", free, c.pages)
		}
	}
	return nil
}

// tree checks a page and everything below it.
func (c *pageChecker) tree(id uint64, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d is %d pages deep", id, depth)
	}
	b, err := c.page(id)
	if err != nil {
		return err
	}
	switch flags := u16(b[8:]); flags {
	case branchPage:
		if u16(b[10:]) == 0 {
			return fmt.Errorf("page %d leads nowhere", id)
		}
		return c.elements(id, b, func(e []byte) error {
			if _, ok := span(e, 0, u32(e), u32(e[4:])); !ok {
				return fmt.Errorf("a key of page %d is outside of it", id)
			}
			return c.tree(u64(e[8:]), depth+1)
		})
	case leafPage:
		return c.leaf(id, b, depth)
	default:
		return fmt.Errorf("page %d is of the unknown kind %#x", id, flags)
	}
}

// elements calls fn with the rest of the page from each element on.
func (c *pageChecker) elements(id uint64, b []byte, fn func([]byte) error) error {
	n := int(u16(b[10:]))
	if pageHeader+n*pageElement > len(b) {
		return fmt.Errorf("%d entries do not fit into page %d", n, id)
	}
	for i := range n {
		if err := fn(b[pageHeader+i*pageElement:]); err != nil {
			return err
		}
	}
	return nil
}

func (c *pageChecker) leaf(id uint64, b []byte, depth int) error {
	return c.elements(id, b, func(e []byte) error {
		_, okKey := span(e, 0, u32(e[4:]), u32(e[8:]))
		value, ok := span(e, uint64(u32(e[8:])), u32(e[4:]), u32(e[12:]))
		switch {
		case !ok || !okKey:
			return fmt.Errorf("an entry of page %d is outside of it", id)
		case u32(e)&bucketLeaf == 0:
			return nil
		case len(value) < bucketHeader:
			return fmt.Errorf("a bucket of page %d is cut short", id)
		case u64(value) != 0:
			return c.tree(u64(value), depth+1)
		}
		inline := value[bucketHeader:]
		if len(inline) < pageHeader || u16(inline[8:]) != leafPage {
			return fmt.Errorf("a bucket in page %d is no leaf", id)
		}
		if depth > maxDepth {
			return fmt.Errorf("page %d has buckets without end", id)
		}
		return c.leaf(id, inline, depth+1)
	})
}

// span is n bytes that begin pos+skip bytes after the start of b.
func span(b []byte, skip uint64, pos, n uint32) ([]byte, bool) {
	from := uint64(pos) + skip
	to := from + uint64(n)
	if to > uint64(len(b)) {
		return nil, false
	}
	return b[from:to], true
}

func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }
