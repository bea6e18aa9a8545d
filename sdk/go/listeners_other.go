//go:build !unix

package farebox

func isFarebox(string, string) bool { return false }

func checkPrivate(string) error { return nil }

func isAlive(int) bool { return true }
