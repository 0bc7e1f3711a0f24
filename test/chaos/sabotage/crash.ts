// A process that ends by itself after a while.
setTimeout(() => void Promise.reject(new Error("nobody handles this")), 7000);
