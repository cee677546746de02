// Module hooks: where a client asks for WebRTC in Node, it gets the stand-in. The real thing is native code that is not
// installed here, and these tests are about what goes over the tracker's socket.

const standIn = new URL("rtc-stand-in.mjs", import.meta.url).href;

export async function resolve(specifier, context, next) {
    if (specifier.startsWith("@thaunknown/simple-peer")) return { url: standIn, shortCircuit: true };
    return next(specifier, context);
}
