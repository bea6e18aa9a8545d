//go:build unix

package farebox

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const lookAgain = time.Second

type looked struct {
	is    bool
	until time.Time
}

var (
	looking sync.Mutex
	lookups = map[string]looked{}
)

// isFarebox tells whether a Farebox of this user, and nobody else, is behind an address: each holds a lock on a
// file of its own in a directory that only this user can write.
func isFarebox(host, port string) bool {
	if !isLoopback(host) {
		return false
	}
	looking.Lock()
	defer looking.Unlock()
	if found, ok := lookups[port]; ok && time.Now().Before(found.until) {
		return found.is
	}
	if len(lookups) > 1024 {
		lookups = map[string]looked{}
	}
	is := lookFor(port)
	lookups[port] = looked{is, time.Now().Add(lookAgain)}
	return is
}

func lookFor(port string) bool {
	folder := filepath.Join(os.TempDir(), "farebox-"+strconv.Itoa(os.Getuid()))
	if runtimeFolder := os.Getenv("XDG_RUNTIME_DIR"); runtimeFolder != "" {
		folder = filepath.Join(runtimeFolder, "farebox")
	}
	if checkPrivate(folder) != nil {
		return false
	}
	files, _ := filepath.Glob(filepath.Join(folder, port+"-*"))
	for _, file := range files {
		descriptor, err := syscall.Open(file, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		err = syscall.Flock(descriptor, syscall.LOCK_SH|syscall.LOCK_NB)
		syscall.Close(descriptor)
		if err == syscall.EWOULDBLOCK {
			return true
		}
	}
	return false
}

// checkPrivate returns an error unless a folder is this user's alone.
func checkPrivate(folder string) error {
	found, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	owner, ok := found.Sys().(*syscall.Stat_t)
	if !found.IsDir() || !ok || int(owner.Uid) != os.Getuid() || found.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others; type: chmod 700 %s", folder, folder)
	}
	return nil
}

func isAlive(pid int) bool {
	return syscall.Kill(pid, 0) != syscall.ESRCH
}
