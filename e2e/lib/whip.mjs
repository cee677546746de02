// A page that publishes by WebRTC (WHIP).

/** Runs in a page of the origin: offers camera and microphone for a stream; gives the status and, where it is taken, the address of the publication. */
export async function publish(key, stream) {
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180 } });
    const peer = new RTCPeerConnection();
    const h264 = RTCRtpSender.getCapabilities("video").codecs.filter(({ mimeType }) => /H264|rtx/i.test(mimeType));
    for (const track of media.getTracks()) {
        const line = peer.addTransceiver(track, { direction: "sendonly", streams: [media] });
        if (track.kind === "video") line.setCodecPreferences(h264);
    }
    await peer.setLocalDescription();
    await new Promise((resolve) => {
        const look = () => peer.iceGatheringState === "complete" && resolve();
        peer.addEventListener("icegatheringstatechange", look);
        look();
    });
    const headers = { "content-type": "application/sdp", authorization: `Bearer ${key}` };
    const answer = await fetch(`/whip/${stream}`, { method: "POST", body: peer.localDescription.sdp, headers });
    const text = await answer.text();
    if (answer.ok) await peer.setRemoteDescription({ type: "answer", sdp: text });
    window.peer = peer;
    return { status: answer.status, place: answer.headers.get("location") };
}
