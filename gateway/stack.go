package gateway

// stackRoom is how deep the way of a request goes, roughly.
const stackRoom = 12 << 10

// growStack makes room for the whole way at once. Over HTTP/2 each request has a
// new goroutine, whose stack would be doubled and copied several times on the way
// down, with more frames to adjust each time: a twelfth of the processor's time.
//
//go:noinline
func growStack(n int) byte {
	var room [stackRoom]byte
	return room[n%stackRoom]
}
