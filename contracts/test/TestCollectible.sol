// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721URIStorage} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721URIStorage.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// OpenZeppelin's ERC-721; the owner mints.
contract TestCollectible is ERC721URIStorage, Ownable {
    uint256 private _next = 1;

    constructor() ERC721("Cairn Test Collectible", "CTC") Ownable(msg.sender) {}

    function mint(address to, string calldata uri) external onlyOwner returns (uint256 id) {
        id = _next++;
        _safeMint(to, id);
        _setTokenURI(id, uri);
    }
}
